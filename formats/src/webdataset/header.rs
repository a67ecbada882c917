//! One tar header block.
//!
//! ```text
//!   0  100  name                          257    6  magic: ustar NUL (GNU: ustar, two spaces, NUL)
//! 100    8  mode, octal                   263    2  version 00
//! 108    8  uid                           265   32  user name
//! 116    8  gid                           297   32  group name
//! 124   12  size                          329    8  device major
//! 136   12  mtime                         337    8  device minor
//! 148    8  checksum: 6 digits NUL space  345  155  prefix: PREFIX/NAME is the path
//! 156    1  type                          500   12  zeros
//! 157  100  link name
//! ```
//!
//! The checksum is the sum of the block's bytes with its own field as spaces.

/// Size of a header and unit of everything.
pub(super) const BLOCK: usize = 512;
/// Largest size that eleven octal digits hold, in bytes.
pub(super) const SIZE_MAX: u64 = 0o77_777_777_777;

/// A header block.
pub(super) type Block = [u8; BLOCK];

const NAME: usize = 100;
const PREFIX: usize = 155;

/// Appends the headers of a member to `out`: one, or three blocks where the path fits neither the
/// name field nor prefix and name.
pub(super) fn write(path: &str, size: u64, out: &mut Vec<u8>) {
    let path = path.as_bytes();
    if path.len() <= NAME {
        return out.extend_from_slice(&block(path, b"", size, b'0'));
    }
    if let Some((prefix, name)) = split(path) {
        return out.extend_from_slice(&block(name, prefix, size, b'0'));
    }
    let mut long = block(b"././@LongLink", b"", path.len() as u64 + 1, b'L');
    long[257..265].copy_from_slice(b"ustar  \0");
    set_checksum(&mut long);
    out.extend_from_slice(&long);
    out.extend_from_slice(path);
    out.resize(
        out.len() + (path.len() + 1).next_multiple_of(BLOCK) - path.len(),
        0,
    );
    out.extend_from_slice(&block(&path[..NAME], b"", size, b'0'));
}

/// Prefix and name, cut at the last slash that lets the name field hold as much as it can.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = path.len().checked_sub(NAME + 1)?;
    let slash = (first..=PREFIX.min(path.len() - 2)).find(|i| path[*i] == b'/')?;
    (slash > 0).then(|| (&path[..slash], &path[slash + 1..]))
}

fn block(name: &[u8], prefix: &[u8], size: u64, kind: u8) -> Block {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    octal(&mut block[124..135], size);
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[329..337].copy_from_slice(b"0000000\0");
    block[337..345].copy_from_slice(b"0000000\0");
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    set_checksum(&mut block);
    block
}

fn set_checksum(block: &mut Block) {
    let (sum, _) = sums(block);
    octal(&mut block[148..154], u64::from(sum));
    block[154..156].copy_from_slice(b"\0 ");
}

/// Fills `field` with octal digits.
fn octal(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}

/// The checksum over unsigned and, as some old writers have it, over signed bytes.
fn sums(block: &Block) -> (u32, i32) {
    let sum = |bytes: &[u8]| bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
    let high = |bytes: &[u8]| bytes.iter().map(|b| i32::from(b >> 7)).sum::<i32>();
    // Simple loops over the whole block, which take a fraction of the time of one that leaves out
    // the field in its middle.
    let own = &block[148..156];
    let unsigned = sum(block) - sum(own) + 8 * 32;
    let negative = high(block) - high(own);
    (unsigned, unsigned.cast_signed() - 256 * negative)
}

/// Whether the block's checksum is right.
pub(super) fn is_valid(block: &Block) -> bool {
    let (unsigned, signed) = sums(block);
    number(&block[148..156])
        .and_then(|n| i64::try_from(n).ok())
        .is_some_and(|n| n == i64::from(unsigned) || n == i64::from(signed))
}

/// A numeric field: octal digits, or GNU's base-256. `None` if it is neither or negative.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x7f);
        for b in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(*b))?;
        }
        return (field[0] & 0x40 == 0).then_some(value);
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_start_matches(' ');
    let (digits, rest) = text.split_at(text.find([' ', '\0']).unwrap_or(text.len()));
    if rest.contains(|c| c != ' ' && c != '\0') || digits.starts_with('+') {
        return None;
    }
    if digits.is_empty() {
        Some(0)
    } else {
        u64::from_str_radix(digits, 8).ok()
    }
}

/// Bytes of data that the header states; `None` if the field is no number or negative.
pub(super) fn size(block: &Block) -> Option<u64> {
    number(&block[124..136])
}

/// The path in the header itself.
pub(super) fn path(block: &Block) -> Vec<u8> {
    let text = |field: &[u8]| field.split(|b| *b == 0).next().unwrap_or_default().to_vec();
    let (prefix, name) = (text(&block[345..500]), text(&block[..NAME]));
    if prefix.is_empty() || &block[257..263] != b"ustar\0" {
        return name;
    }
    [&prefix[..], b"/", &name].concat()
}

/// Whether a file that begins with `head` begins with a tar header, or is an archive without
/// members.
pub(super) fn sniff(head: &[u8]) -> bool {
    let first = head.first_chunk::<BLOCK>();
    first.is_some_and(|block| is_valid(block) || (head.len() >= 1024 && *block == [0; BLOCK]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_bytes_that_the_contract_states() {
        let mut out = Vec::new();
        write("a.jpg", 64, &mut out);
        let mut expected = [0u8; BLOCK];
        expected[..5].copy_from_slice(b"a.jpg");
        expected[100..148]
            .copy_from_slice(b"0000644\x000000000\x000000000\x0000000000100\x0000000000000\x00");
        expected[148..157].copy_from_slice(b"010104\0 0");
        expected[257..265].copy_from_slice(b"ustar\x0000");
        expected[329..345].copy_from_slice(b"0000000\x000000000\x00");
        let sum: u32 = expected.iter().map(|b| u32::from(*b)).sum::<u32>()
            - expected[148..156]
                .iter()
                .map(|b| u32::from(*b))
                .sum::<u32>()
            + 8 * 32;
        expected[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        assert_eq!(out, expected);
    }

    #[test]
    fn sums_leave_out_their_own_field_and_know_signed_bytes() {
        let mut block = [0; BLOCK];
        for (i, byte) in block.iter_mut().enumerate() {
            *byte = (i * 7) as u8;
        }
        let others = || block[..148].iter().chain(&block[156..]);
        let unsigned: u32 = others().map(|b| u32::from(*b)).sum();
        let signed: i32 = others().map(|b| i32::from(b.cast_signed())).sum();
        assert_eq!(sums(&block), (unsigned + 256, signed + 256));
    }

    #[test]
    fn paths_of_any_length_come_back() {
        for (dirs, base, blocks) in [
            (0, 100, 1),
            (10, 90, 1),
            (155, 99, 1),
            (0, 101, 3),
            (300, 50, 3),
        ] {
            let path = match dirs {
                0 => "n".repeat(base),
                n => format!("{}/{}", "d".repeat(n), "n".repeat(base)),
            };
            let mut out = Vec::new();
            write(&path, 5, &mut out);
            assert_eq!(out.len(), blocks * BLOCK, "{dirs} {base}");
            let last = out.last_chunk::<BLOCK>().copied().unwrap_or([0; BLOCK]);
            assert!(is_valid(&last));
            if blocks == 1 {
                assert_eq!(super::path(&last), path.as_bytes());
            }
        }
    }

    #[test]
    fn sizes_in_octal_and_base_256() {
        let base_256 = |n: u64| {
            let mut field = [0u8; 12];
            field[4..].copy_from_slice(&n.to_be_bytes());
            field[0] |= 0x80;
            field
        };
        assert_eq!(number(b"00000000100\0"), Some(64));
        assert_eq!(number(b"        100 "), Some(64));
        assert_eq!(number(b"100\0\0\0\0\0\0\0\0\0"), Some(64));
        assert_eq!(number(b"777777777777"), Some(0o777_777_777_777));
        assert_eq!(number(&base_256(1 << 33)), Some(1 << 33));
        assert_eq!(number(&base_256(u64::MAX)), Some(u64::MAX));
        let mut huge = base_256(0);
        huge[3] = 1;
        assert_eq!(number(&huge), None);
        for bad in [
            &[0xff; 12][..],
            b"xyz\0\0\0\0\0\0\0\0\0",
            b"-0000000001\0",
            b"+10\0",
            b"1 2\0",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
