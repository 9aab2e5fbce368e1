use super::*;
use proptest::prelude::*;

/// A mapping of so many KiB, all of it the process's own, with the fields that are read.
fn mapping(range: &str, rights: &str, name: &str, kib: u64, flags: &str) -> String {
    let inode = if name.starts_with('/') { 7 } else { 0 };
    format!(
        "{range} {rights} 00000000 00:01 {inode}                 {name}\nSize: 8 kB\nRss:  {kib} kB\nPss: {kib} kB\nAnonymous:   {kib} kB\n\
         AnonHugePages:         0 kB\nSwap:                  1 kB\nSwapPss: 1 kB\nVmFlags: rd wr mr mw me ac{flags} sd \n"
    )
}

fn kinds(text: &str) -> Vec<(PlaceKind, Option<String>, u64)> {
    let mut all: Vec<_> = parse_smaps(text.as_bytes()).into_iter().map(|p| (p.kind, p.name, p.own >> 10)).collect();
    all.sort();
    all
}

#[test]
fn arenas_stacks_and_other_anonymous_memory_are_told_apart() {
    let text = [
        mapping("c000000000-c000400000", "rw-p", "", 1, ""),
        mapping("55d000000000-55d000021000", "rw-p", "[heap]", 2, ""),
        mapping("7f0000000000-7f0000021000", "rw-p", "", 4, " nr"),
        mapping("7f0000021000-7f0004000000", "---p", "", 0, " nr"),
        mapping("7f0010000000-7f0010001000", "---p", "", 0, ""),
        mapping("7f0010001000-7f0010801000", "rw-p", "", 8, ""),
        mapping("7f0020000000-7f0020001000", "---p", "", 0, ""),
        mapping("7f0020001000-7f0021801000", "rw-p", "", 16, ""),
        mapping("7f0030000000-7f0038000000", "rw-p", "", 32, " nr"),
        mapping("7ffd00000000-7ffd00021000", "rw-p", "[stack]", 64, ""),
    ]
    .concat();
    // A page of each is swapped out. The second arena is used whole; the larger of the two mappings with a guard below is no stack.
    let expected = [
        (PlaceKind::Heap, None, 3),
        (PlaceKind::Arena, None, 4 + 32 + 2),
        (PlaceKind::GoHeap, None, 2),
        // Guards; and what is reserved.
        (PlaceKind::Anonymous, None, 2),
        (PlaceKind::Anonymous, None, 18),
        (PlaceKind::Stack, None, 65),
        (PlaceKind::ThreadStack, None, 9),
    ];
    assert_eq!(kinds(&text), expected);
}

#[test]
fn what_has_a_name_is_one_place_however_it_is_numbered() {
    let text = [
        mapping("7f0000000000-7f0000001000", "rw-s", "/memfd:frames (deleted)", 4, ""),
        mapping("7f0000002000-7f0000003000", "rw-s", "/memfd:frames (deleted)", 4, ""),
        mapping("7f0000004000-7f0000005000", "rw-p", "/var/spool/job-00123.tmp (deleted)", 4, ""),
        mapping("7f0000006000-7f0000007000", "rw-p", "/var/spool/job-00124.tmp (deleted)", 4, ""),
        mapping("7f0000008000-7f0000009000", "rw-p", "/cache/3f2a9c1b-00aa-4f/v2 (deleted)", 4, ""),
        mapping("7f000000a000-7f000000b000", "rw-s", "/SYSV00001234 (deleted)", 4, ""),
        mapping("7f000000c000-7f000000d000", "rw-s", "/dev/zero (deleted)", 4, ""),
        mapping("7f000000e000-7f000000f000", "rw-p", "[anon:arena of x]", 4, ""),
        mapping("7f0000010000-7f0000011000", "rw-p", "/usr/lib/libc.so.6", 4, ""),
        mapping("7f0000012000-7f0000013000", "r--p", "[vvar]", 4, ""),
    ]
    .concat();
    let name = |text: &str| Some(text.to_owned());
    // Of what is shared, nothing that was swapped out is the process's own.
    let expected = [
        (PlaceKind::Named, name("arena of x"), 5),
        (PlaceKind::Memfd, name("frames"), 8),
        (PlaceKind::Deleted, name("/cache/*-00aa-4f/v2"), 5),
        (PlaceKind::Deleted, name("/var/spool/job-*.tmp"), 10),
        (PlaceKind::SharedAnonymous, None, 4),
        (PlaceKind::SysV, name("00001234"), 4),
        (PlaceKind::File, name("/usr/lib/libc.so.6"), 5),
        (PlaceKind::Other, None, 5),
    ];
    assert_eq!(kinds(&text), expected);
    assert_eq!(parse_smaps(text.as_bytes()).iter().find(|p| p.kind == PlaceKind::Memfd).unwrap().mappings, 2);
}

#[test]
fn shared_memory_is_that_of_files_on_a_tmpfs_and_no_others() {
    let line = |device: &str, name: &str| {
        format!(
            "7f0000000000-7f0000001000 rw-s 00000000 {device} 9    {name}\nRss: 12 kB\nAnonymous: 0 kB\nShared_Hugetlb: 4 kB\n"
        )
    };
    let of = |text: String| {
        let mut reader = MapReader::new(8 << 20);
        reader.take(text.as_bytes());
        let places = reader.finish(|device| device == (0, 0x1b));
        places.into_iter().map(|p| (p.kind, p.own, p.shared, p.huge)).collect::<Vec<_>>()
    };
    assert_eq!(of(line("00:1b", "/run/state")), [(PlaceKind::Tmpfs, 0, 12 << 10, 4 << 10)]);
    assert_eq!(of(line("00:2c", "/data/on-a-network")), [(PlaceKind::File, 0, 0, 4 << 10)]);
    assert_eq!(of(line("fe:1b", "/data/on-a-disk")), [(PlaceKind::File, 0, 0, 4 << 10)]);
}

#[test]
fn names_without_end_are_added_up() {
    let line = |at: u64| {
        let (start, end) = (0x7f00_0000_0000 + 0x2000 * at, 0x7f00_0000_1000 + 0x2000 * at);
        let letters: String = at.to_string().bytes().map(|digit| char::from(digit + 64)).collect();
        mapping(&format!("{start:x}-{end:x}"), "rw-s", &format!("/memfd:{letters} (deleted)"), 4, "")
    };
    let text: String = (0..3 * MOST_NAMES as u64).map(line).collect();
    let places = parse_smaps(text.as_bytes());
    assert_eq!(places.len(), MOST_PLACES);
    let all = places.iter().fold((0, 0), |sum, place| (sum.0 + place.mappings, sum.1 + place.own));
    assert_eq!(all, (3 * MOST_NAMES as u64, (3 * MOST_NAMES as u64) * 4096));
    assert_eq!((places[0].kind, &places[0].name), (PlaceKind::Memfd, &None), "the largest");
}

#[test]
fn a_name_is_bounded_and_keeps_its_end() {
    let name = name_of(PlaceKind::File, format!("/{}/the-end", "\u{e9}".repeat(400)).as_bytes()).unwrap();
    assert!(name.starts_with('…') && name.ends_with("/the-end") && name.chars().count() == 101, "{name}");
}

/// Texts that look like a map, more or less.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let header = (0u64..1 << 47, 1u64..1 << 30, "(rw-p|---p|rw-s)", "[a-z/\\[\\]: ()0-9]{0,20}")
        .prop_map(|(start, size, rights, name)| format!("{start:x}-{:x} {rights} 0 00:01 0 {name}\n", start + size));
    let field = ("(Rss|Anonymous|Swap|VmFlags|Private_Hugetlb)", any::<u64>())
        .prop_map(|(name, value)| format!("{name}:   {value} kB\n"));
    let noise = prop::collection::vec(any::<u8>(), 0..20);
    let line = prop_oneof![header.prop_map(String::into_bytes), field.prop_map(String::into_bytes), noise];
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn in_whatever_pieces_it_comes_it_is_the_same_and_nothing_makes_it_panic(text in texts(), size in 1usize..50) {
        let mut reader = MapReader::new(8 << 20);
        text.chunks(size).for_each(|piece| reader.take(piece));
        prop_assert_eq!(reader.finish(|_| false), parse_smaps(&text));
    }

    #[test]
    fn its_places_hold_what_its_mappings_do(sizes in prop::collection::vec((0u64..1 << 30, 0usize..5), 0..200)) {
        const NAMES: [&str; 5] = ["", "[heap]", "/memfd:x (deleted)", "/lib/a", "[anon:y]"];
        let text: String = sizes.iter().enumerate().map(|(at, (kib, name))| {
            let start = 0x7f00_0000_0000 + 0x4000 * at as u64;
            mapping(&format!("{start:x}-{:x}", start + 0x1000), "rw-p", NAMES[*name], *kib, "")
        }).collect();
        let places = parse_smaps(text.as_bytes());
        let sum = |of: fn(&Place) -> u64| places.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|p| p.own), sizes.iter().map(|(kib, _)| (kib + 1) << 10).sum::<u64>());
        prop_assert_eq!(sum(|p| p.mappings), sizes.len() as u64);
    }
}
