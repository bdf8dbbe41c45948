//! The order in which zones are tried.

/// Returns the numbers of the zones, in the order in which a processor on node
/// `from` tries them. `nodes` says which node each zone is on.
///
/// Its own node comes first, whatever `distance` says of it; then what is near by
/// `distance`, in the units of ACPI's SLIT. Among equally distant nodes, those with
/// near numbers come first, and the next number before the one below: where the
/// firmware knows no distances, processors of different nodes then turn to
/// different nodes. Zones of one node stay in the order in which they were given.
///
/// ```
/// use llfree::nodes::fallback;
///
/// // Zones 0 to 3 are on nodes 0, 1, 1 and 2; to node 1, node 2 is nearer than 0.
/// let order = fallback([0, 1, 1, 2], 1, |node| [31, 10, 21][node as usize]);
/// assert_eq!(order, [1, 2, 3, 0]);
/// ```
pub fn fallback<const N: usize>(
    nodes: [u32; N],
    from: u32,
    distance: impl Fn(u32) -> u8,
) -> [usize; N] {
    let mut order = core::array::from_fn(|zone| zone);
    order.sort_unstable_by_key(|&zone: &usize| {
        let node = nodes[zone];
        let by_number = (node.abs_diff(from), node < from);
        // The zone's own number makes each key unique, and the result a stable one.
        (node != from, distance(node), by_number, zone)
    });
    order
}

#[cfg(test)]
mod tests {
    use super::fallback;

    #[test]
    fn the_own_node_comes_first_whatever_its_distance() {
        assert_eq!(fallback([0, 1, 2], 2, |_| 20), [2, 1, 0]);
        assert_eq!(fallback([0, 1], 1, |node| [10, 255][node as usize]), [1, 0]);
    }

    #[test]
    fn nearer_nodes_come_before_nearer_numbers() {
        let distance = |node| [10, 41, 31, 21][node as usize];
        assert_eq!(fallback([0, 1, 2, 3], 0, distance), [0, 3, 2, 1]);
    }

    #[test]
    fn equally_distant_nodes_come_by_number_and_the_next_before_the_one_below() {
        assert_eq!(fallback([0, 1, 2, 3, 4], 2, |_| 20), [2, 3, 1, 4, 0]);
    }

    #[test]
    fn zones_of_one_node_stay_in_order() {
        assert_eq!(fallback([1, 0, 1, 0, 1], 1, |_| 20), [0, 2, 4, 1, 3]);
    }

    #[test]
    fn a_node_without_zones_has_an_order_too() {
        assert_eq!(fallback([0, 4], 3, |_| 20), [1, 0]);
        assert_eq!(fallback([0, u32::MAX], 3, |_| 20), [0, 1]);
    }
}
