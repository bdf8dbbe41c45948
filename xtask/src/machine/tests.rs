use super::*;

fn machine() -> Machine {
    Machine {
        qemu: "qemu-system-x86_64".into(),
        engine: Engine::Tcg,
        medium: Medium::Direct {
            loader: "pvh".into(),
            kernel: "kernel".into(),
            command_line: "seed=1 quick".into(),
        },
        cpus: 4,
        memory: Size::mib(2048),
        nodes: 1,
        modules: vec![],
        persistence: Persistence::Cpu,
        tables: vec![],
        firmware: None,
        lean: false,
        display: false,
        trace: None,
        gdb: false,
    }
}

fn nvdimm(file: &str) -> Module {
    Module {
        file: file.into(),
        size: Size::mib(512),
        kind: ModuleKind::Nvdimm {
            label: None,
            unarmed: false,
        },
    }
}

fn words(machine: &Machine) -> String {
    crate::shell::line(&machine.command(Listener::Session))
}

#[test]
fn a_machine_without_modules_has_no_nfit() {
    let words = words(&machine());
    assert!(words.contains("-machine q35 "), "{words}");
    assert!(words.contains("-m 2G "), "{words}");
}

#[test]
fn nvdimms_are_listed_shared_and_have_a_slot_each() {
    let mut machine = machine();
    machine.modules = vec![nvdimm("a"), nvdimm("b,c")];
    let words = words(&machine);
    for part in [
        "q35,nvdimm=on,nvdimm-persistence=cpu",
        "-m 2G,slots=2,maxmem=5G",
        "memory-backend-file,id=module0,share=on,size=512M,mem-path=a",
        "mem-path=b,,c",
        "nvdimm,id=nv1,memdev=module1",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[test]
fn nodes_share_processors_dram_and_modules() {
    let mut machine = machine();
    machine.nodes = 2;
    machine.modules = vec![nvdimm("a"), nvdimm("b")];
    let words = words(&machine);
    for part in [
        "memory-backend-ram,id=dram1,size=1G",
        "node,nodeid=0,memdev=dram0,cpus=0-1",
        "node,nodeid=1,memdev=dram1,cpus=2-3",
        "dist,src=0,dst=1,val=20",
        "memdev=module1,node=1",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[test]
fn an_unlisted_module_does_not_switch_nvdimms_on() {
    let mut machine = machine();
    machine.modules = vec![Module {
        kind: ModuleKind::Unlisted,
        ..nvdimm("a")
    }];
    let words = words(&machine);
    assert!(!words.contains("nvdimm"), "{words}");
    assert!(words.contains("pc-dimm,id=dimm0"), "{words}");
}

#[test]
fn a_person_gets_the_console_and_no_pause() {
    let command = machine().command(Listener::Terminal);
    let words = crate::shell::line(&command);
    assert!(words.contains("-serial stdio"), "{words}");
    assert!(!words.contains("shutdown=pause"), "{words}");
}

#[test]
fn tables_of_our_own_replace_all_others() {
    let mut machine = machine();
    machine.firmware = Some("set".into());
    let words = words(&machine);
    for part in [
        "-machine q35,acpi=off ",
        "name=etc/acpi/tables,file=set/tables",
        "name=etc/acpi/rsdp,file=set/rsdp",
        "name=etc/table-loader,file=set/loader",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[test]
fn a_lean_machine_boots_directly_by_the_smaller_firmware_and_has_no_screen() {
    let mut machine = machine();
    assert!(words(&machine).contains("-vga std"));
    assert!(!words(&machine).contains("-bios"));
    machine.lean = true;
    let words = words(&machine);
    assert!(words.contains("-bios qboot.rom") && words.contains("-vga none"));
}
