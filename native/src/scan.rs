//! One line of JSON, looked through but not built: where its keys and values stand.
//!
//! Only what is plain is taken: an object whose values are texts, numbers that are not large, booleans and nulls, or
//! arrays of these. Everything else (nesting, powers, large numbers, halves of characters, what is not JSON) is `None`: somebody else
//! reads it.

use std::borrow::Cow;

use memchr::memchr;
use serde::de::DeserializeOwned;
use serde::Serialize;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Digits of a whole number that fits 64 bits, and of a fraction.
const DIGITS: usize = 19;
/// The digits of the least whole number that fits 64 bits.
const LEAST: &[u8] = b"9223372036854775808";

/// Where a value stands in its line: the first byte, and the one after the last.
pub type Span = (u32, u32);

/// Looks through a line that is UTF-8. `key` is told each key, as written and without its quotes, and answers whether
/// to go on; the place of each value is added to `values`.
pub fn flat(line: &[u8], values: &mut Vec<Span>, mut key: impl FnMut(&[u8]) -> bool) -> Option<()> {
    let mut at = blank(line, 0);
    expect(line, &mut at, b'{')?;
    loop {
        at = blank(line, at);
        expect(line, &mut at, b'"')?;
        let (end, escaped) = text(line, at)?;
        if escaped || !key(&line[at..end]) {
            return None;
        }
        at = blank(line, end + 1);
        expect(line, &mut at, b':')?;
        at = blank(line, at);
        let end = value(line, at)?;
        values.push((at as u32, end as u32));
        at = blank(line, end);
        match line.get(at)? {
            b',' => at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    (blank(line, at + 1) == line.len()).then_some(())
}

fn blank(line: &[u8], mut at: usize) -> usize {
    while matches!(line.get(at), Some(b' ' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

fn expect(line: &[u8], at: &mut usize, sign: u8) -> Option<()> {
    (*line.get(*at)? == sign).then(|| *at += 1)
}

/// The end of a value that begins here.
fn value(line: &[u8], at: usize) -> Option<usize> {
    if *line.get(at)? == b'[' {
        array(line, at + 1)
    } else {
        single(line, at)
    }
}

fn single(line: &[u8], at: usize) -> Option<usize> {
    match line.get(at)? {
        b'"' => text(line, at + 1).map(|(end, _)| end + 1),
        b't' => word(line, at, b"true"),
        b'f' => word(line, at, b"false"),
        b'n' => word(line, at, b"null"),
        _ => number(line, at),
    }
}

/// The end of an array whose bracket is open.
fn array(line: &[u8], at: usize) -> Option<usize> {
    let mut at = blank(line, at);
    if *line.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        at = blank(line, single(line, blank(line, at))?);
        match line.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn word(line: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    line[at..].starts_with(word).then_some(at + word.len())
}

/// The end of a number without a power. What follows it stops the line elsewhere where it belongs to the number.
fn number(line: &[u8], at: usize) -> Option<usize> {
    let begin = at + usize::from(line[at] == b'-');
    let end = begin + digits(&line[begin..])?;
    if line[begin] == b'0' && (end - begin > 1 || begin > at) {
        return None; // -0 is a fraction to some readers
    }
    if begin > at && end - begin == DIGITS && line[begin..end] > *LEAST {
        return None;
    }
    match line.get(end) {
        Some(b'.') => Some(end + 1 + digits(&line[end + 1..])?),
        _ => Some(end),
    }
}

/// How many digits stand first; None where there is none, or too many.
fn digits(text: &[u8]) -> Option<usize> {
    let count = text.iter().take_while(|sign| sign.is_ascii_digit()).count();
    (1..=DIGITS).contains(&count).then_some(count)
}

/// The end of a text whose first character stands here: the place of its closing quote; whether it holds an escape.
fn text(line: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at = special(line, at)?;
        match line[at] {
            b'"' => return Some((at, escaped)),
            b'\\' => {
                escaped = true;
                at += match line.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' if character(line.get(at + 2..at + 6)?) => 6,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
}

/// A value as JSON writes it, in the one form that all ways to write it have; itself where it has that already.
pub fn canonical(value: &[u8]) -> Cow<'_, [u8]> {
    let again = match value.first() {
        Some(b'"')
            if escapes(value).any(|place| matches!(value.get(place + 1), Some(b'u' | b'/'))) =>
        {
            same::<String>(value)
        }
        Some(b'-' | b'0'..=b'9') if value.contains(&b'.') => same::<f64>(value),
        Some(b'[') => same::<serde_json::Value>(value),
        _ => None,
    };
    again.map_or(Cow::Borrowed(value), Cow::Owned)
}

fn same<T: DeserializeOwned + Serialize>(value: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&serde_json::from_slice::<T>(value).ok()?).ok()
}

/// The places of the backslashes that begin an escape.
fn escapes(value: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = at + memchr(b'\\', value.get(at..)?)?;
        at = place + 2;
        Some(place)
    })
}

/// The next quote, backslash or control sign.
fn special(line: &[u8], mut at: usize) -> Option<usize> {
    while let Some(eight) = line.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().ok()?);
        let quote = word ^ (ONES * b'"' as u64);
        let slash = word ^ (ONES * b'\\' as u64);
        // In each, the lowest bit that is set is right; those above it may be borrowed.
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGH;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    line[at..]
        .iter()
        .position(|sign| matches!(sign, b'"' | b'\\' | 0..=0x1f))
        .map(|place| at + place)
}

/// Whether four hexadecimal digits are a character by themselves, and not half of one.
fn character(digits: &[u8]) -> bool {
    let text = std::str::from_utf8(digits).unwrap_or("");
    text.bytes().all(|sign| sign.is_ascii_hexdigit())
        && u32::from_str_radix(text, 16).is_ok_and(|number| !(0xd800..0xe000).contains(&number))
}
