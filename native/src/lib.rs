//! JSON lines in, the values of each shape of event as codes out: what `kyber.logs.shapes` does, without an object for
//! each value. Lines that are not plain are given back, to be read by those who read everything.
#![forbid(unsafe_code)]

mod records;
mod scan;

use ahash::{AHashMap, RandomState};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use hashbrown::HashTable;
use memchr::{memchr, memchr_iter};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use records::{Pool, Records};

/// Different keys after different keys that are told apart; events with more are given back.
const MAX_NODES: usize = 50_000;
/// Bytes of a key; events with longer ones are given back.
const MAX_KEY: usize = 256;
/// Counts up whenever what kyber calls changes; see `kyber.logs.gather`.
const INTERFACE: u32 = 4;
const UNKNOWN: i32 = -2;
const ODD: i32 = -1;

/// A key, after the keys of the nodes before it. `likely`: the node that came next the last time. `order`: of events
/// that end here.
struct Node {
    key: u32,
    before: u32,
    likely: u32,
    order: i32,
}

/// Events with the same keys in the same order. `places`: where each of the shape's keys stands among them.
struct Order {
    shape: usize,
    places: Vec<usize>,
}

/// The keys of events in their order, as a tree.
struct Tree {
    nodes: Vec<Node>,
    next: AHashMap<(u32, u32), u32>,
    keys: Vec<Box<[u8]>>,
    numbers: AHashMap<Box<[u8]>, u32>,
}

impl Tree {
    fn new() -> Self {
        let root = Node {
            key: 0,
            before: 0,
            likely: 0,
            order: ODD,
        };
        Tree {
            nodes: vec![root],
            next: AHashMap::new(),
            keys: Vec::new(),
            numbers: AHashMap::new(),
        }
    }

    /// From a node by a key to the next; None where there are too many, or the key is too long.
    fn step(&mut self, at: u32, key: &[u8]) -> Option<u32> {
        let likely = self.nodes[at as usize].likely;
        if likely != 0 && *self.keys[self.nodes[likely as usize].key as usize] == *key {
            return Some(likely);
        }
        let known = self.numbers.get(key).copied();
        let next = match known.and_then(|number| self.next.get(&(at, number)).copied()) {
            Some(next) => next,
            None if key.len() > MAX_KEY || self.nodes.len() >= MAX_NODES => return None,
            None => self.grow(at, key, known),
        };
        self.nodes[at as usize].likely = next;
        Some(next)
    }

    fn grow(&mut self, at: u32, key: &[u8], known: Option<u32>) -> u32 {
        let number = known.unwrap_or_else(|| {
            let number = self.keys.len() as u32;
            self.keys.push(key.into());
            self.numbers.insert(key.into(), number);
            number
        });
        let next = self.nodes.len() as u32;
        self.nodes.push(Node {
            key: number,
            before: at,
            likely: 0,
            order: UNKNOWN,
        });
        self.next.insert((at, number), next);
        next
    }

    /// The keys up to a node.
    fn path(&self, mut at: u32) -> Vec<String> {
        let mut keys = Vec::new();
        while at != 0 {
            let node = &self.nodes[at as usize];
            keys.push(String::from_utf8_lossy(&self.keys[node.key as usize]).into_owned());
            at = node.before;
        }
        keys.reverse();
        keys
    }
}

/// Events with the same keys, in whatever order: the values that are kept, and the records.
struct Shape {
    columns: Vec<Column>,
    records: Records,
}

/// The values under one key of the events, each distinct one once: as a JSON array that is still open, and where each
/// stands in it. `index` finds the code of a value by its hash.
#[derive(Default)]
struct Column {
    place: usize,
    codes: Vec<i32>,
    json: Vec<u8>,
    spans: Vec<(usize, usize)>,
    index: HashTable<i32>,
    arrays: bool,
}

impl Column {
    fn at(place: usize) -> Self {
        Column {
            place,
            ..Column::default()
        }
    }

    /// Adds an event's value; about how many bytes more that takes.
    fn push(&mut self, value: &[u8], hashed: &RandomState) -> usize {
        // Most values are those of the event before.
        if let Some(last) = self.codes.last() {
            let (begin, end) = self.spans[*last as usize];
            if self.json[begin..end] == *value {
                self.codes.push(*last);
                return 4;
            }
        }
        let value = &*scan::canonical(value);
        let hash = hashed.hash_one(value);
        let (json, spans) = (&mut self.json, &mut self.spans);
        let at = |code: i32| spans[code as usize];
        if let Some(code) = self.index.find(hash, |code| {
            let (begin, end) = at(*code);
            json[begin..end] == *value
        }) {
            self.codes.push(*code);
            return 4;
        }
        let code = spans.len() as i32;
        json.push(if spans.is_empty() { b'[' } else { b',' });
        spans.push((json.len(), json.len() + value.len()));
        json.extend_from_slice(value);
        self.arrays |= value.first() == Some(&b'[');
        self.index.insert_unique(hash, code, |code| {
            let (begin, end) = spans[*code as usize];
            hashed.hash_one(&json[begin..end])
        });
        self.codes.push(code);
        31 + value.len()
    }

    /// Bytes, about.
    fn size(&self) -> usize {
        4 * self.codes.len() + 26 * self.spans.len() + self.json.len()
    }

    fn done(mut self) -> Done {
        self.json
            .extend_from_slice(if self.json.is_empty() { b"[]" } else { b"]" });
        Done {
            codes: self.codes,
            json: self.json,
            arrays: self.arrays,
        }
    }
}

/// A column's codes; the values in the order of their codes, as a JSON array; whether one of them is an array itself.
struct Done {
    codes: Vec<i32>,
    json: Vec<u8>,
    arrays: bool,
}

/// Gathers the events of JSON lines by their shape.
///
/// `chosen(keys)`, which is given with the lines so that nothing is held in a circle, is asked once for keys in an
/// order. It answers with the number of the shape that such events have, a new one or one that it gave before; with the
/// places in which the shape's own keys stand among these; and, of a new shape, with which of its keys have their values
/// kept. None, where such events are to be given back.
#[pyclass]
struct Gatherer {
    tree: Tree,
    orders: Vec<Order>,
    shapes: Vec<Shape>,
    pool: Pool,
    values: Vec<scan::Span>,
    hashed: RandomState,
    /// Bytes, about, of all that is held.
    #[pyo3(get)]
    size: usize,
}

#[pymethods]
impl Gatherer {
    #[new]
    fn new() -> Self {
        Gatherer {
            tree: Tree::new(),
            orders: Vec::new(),
            shapes: Vec::new(),
            pool: Pool::default(),
            values: Vec::new(),
            hashed: RandomState::new(),
            size: 0,
        }
    }

    /// Takes the whole lines that stand in `data` from `begin` to `end`; the first is record `number`, and begins at
    /// `offset` of its input. Answers with the runs of lines that it does not take: where each begins and ends in
    /// `data`, and how many lines stand before it. A line of more than `longest` bytes is not taken.
    #[allow(clippy::too_many_arguments)]
    fn feed(
        &mut self,
        chosen: &Bound<'_, PyAny>,
        data: &[u8],
        begin: usize,
        end: usize,
        number: u64,
        offset: u64,
        longest: usize,
    ) -> PyResult<Vec<(usize, usize, u64)>> {
        let all = data
            .get(begin..end)
            .ok_or_else(|| PyIndexError::new_err("no such bytes"))?;
        let valid = std::str::from_utf8(all).is_ok();
        let mut left: Vec<(usize, usize, u64)> = Vec::new();
        let (mut at, mut lines) = (0, 0);
        while at < all.len() {
            let stop = memchr(b'\n', &all[at..]).map_or(all.len(), |length| at + length);
            let line = &all[at..stop];
            let after = (stop + 1).min(all.len());
            let usable = line.len() <= longest && (valid || std::str::from_utf8(line).is_ok());
            if !(usable && self.take_line(chosen, line, number + lines, offset + at as u64)?) {
                match left.last_mut() {
                    Some(last) if last.1 == begin + at => last.1 = begin + after,
                    _ => left.push((begin + at, begin + after, lines)),
                }
            }
            at = after;
            lines += 1;
        }
        Ok(left)
    }

    /// The shapes of which there are so many events.
    fn full(&self, rows: usize) -> Vec<usize> {
        let full = |shape: &usize| self.shapes[*shape].records.len() >= rows;
        (0..self.shapes.len()).filter(full).collect()
    }

    /// The shapes of which there are events: number of the shape, of its events, and of the bytes that they take.
    fn held(&self) -> Vec<(usize, usize, usize)> {
        let sizes = self
            .shapes
            .iter()
            .map(|one| (one.records.len(), one.size()));
        sizes
            .enumerate()
            .filter(|(_, (rows, _))| *rows > 0)
            .map(|(shape, (rows, size))| (shape, rows, size))
            .collect()
    }

    /// What was kept of a shape. Then nothing is held of it.
    fn given(&mut self, shape: usize) -> PyResult<Piece> {
        let anew = Records::new(&self.pool);
        let held = self.shape(shape)?;
        let size = held.size();
        let records = std::mem::replace(&mut held.records, anew);
        let anew: Vec<Column> = held
            .columns
            .iter()
            .map(|one| Column::at(one.place))
            .collect();
        let columns = std::mem::replace(&mut held.columns, anew)
            .into_iter()
            .map(Column::done)
            .collect();
        self.size -= size;
        Ok(Piece { columns, records })
    }

    /// Keeps the values of these keys of the events to come. Nothing may be held of the shape.
    fn keep(&mut self, shape: usize, places: Vec<usize>) -> PyResult<()> {
        let held = self.shape(shape)?;
        if held.records.len() > 0 {
            return Err(PyValueError::new_err("events of the shape are held"));
        }
        held.columns = places.into_iter().map(Column::at).collect();
        Ok(())
    }
}

impl Shape {
    fn size(&self) -> usize {
        self.records.size() + self.columns.iter().map(|one| one.size()).sum::<usize>()
    }
}

impl Gatherer {
    fn shape(&mut self, number: usize) -> PyResult<&mut Shape> {
        self.shapes
            .get_mut(number)
            .ok_or_else(|| PyIndexError::new_err("no such shape"))
    }

    fn take_line(
        &mut self,
        chosen: &Bound<'_, PyAny>,
        line: &[u8],
        number: u64,
        offset: u64,
    ) -> PyResult<bool> {
        self.values.clear();
        let tree = &mut self.tree;
        let mut at = 0u32;
        let found = scan::flat(line, &mut self.values, |key| {
            tree.step(at, key).map(|next| at = next).is_some()
        });
        if found.is_none() {
            return Ok(false);
        }
        let order = match self.tree.nodes[at as usize].order {
            UNKNOWN => self.order_of(chosen, at)?,
            known => known,
        };
        if order == ODD {
            return Ok(false);
        }
        let order = &self.orders[order as usize];
        let shape = &mut self.shapes[order.shape];
        for column in &mut shape.columns {
            let (begin, end) = self.values[order.places[column.place]];
            self.size += column.push(&line[begin as usize..end as usize], &self.hashed);
        }
        self.size += shape.records.push(line, number, offset);
        Ok(true)
    }

    /// The order of the events whose last key is a node's; asked for when the first one comes.
    fn order_of(&mut self, chosen: &Bound<'_, PyAny>, last: u32) -> PyResult<i32> {
        let keys = self.tree.path(last);
        let count = keys.len();
        let found: Option<(usize, Vec<usize>, Vec<usize>)> = chosen.call1((keys,))?.extract()?;
        let order = match found {
            Some((shape, places, kept)) => {
                let fits =
                    places.len() == count && places.iter().chain(&kept).all(|one| *one < count);
                if !fits || shape > self.shapes.len() {
                    return Err(PyValueError::new_err("no such shape"));
                }
                if shape == self.shapes.len() {
                    self.shapes.push(Shape {
                        columns: kept.into_iter().map(Column::at).collect(),
                        records: Records::new(&self.pool),
                    });
                }
                self.orders.push(Order { shape, places });
                self.orders.len() as i32 - 1
            }
            None => ODD,
        };
        self.tree.nodes[last as usize].order = order;
        Ok(order)
    }
}

/// Events of one shape: their records, and a column of each value that was kept.
#[pyclass]
struct Piece {
    columns: Vec<Done>,
    records: Records,
}

impl Piece {
    fn record(&self, row: usize) -> PyResult<&[u8]> {
        let found = self.records.get(row);
        found.ok_or_else(|| PyIndexError::new_err("no such row"))
    }
}

#[pymethods]
impl Piece {
    fn __len__(&self) -> usize {
        self.records.len()
    }

    /// The record of a row.
    fn __getitem__<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.record(row)?))
    }

    /// A column's codes, 32 bits each in the machine's order; the values that they mean, as a JSON array; and whether
    /// one of these is an array itself.
    fn column<'py>(
        &self,
        py: Python<'py>,
        number: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, bool)> {
        let one = self
            .columns
            .get(number)
            .ok_or_else(|| PyIndexError::new_err("no such column"))?;
        Ok((
            PyBytes::new(py, bytemuck::cast_slice(&one.codes)),
            PyBytes::new(py, &one.json),
            one.arrays,
        ))
    }

    /// Each row's number in its input, 64 bits each in the machine's order.
    fn numbers<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, bytemuck::cast_slice(&self.records.numbers))
    }

    /// Where each row's record begins in its input, likewise.
    fn offsets<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, bytemuck::cast_slice(&self.records.offsets))
    }

    /// The records of some rows, one after the other, and where each of them ends. Rows and ends: 64 bits each.
    fn joined<'py>(
        &self,
        py: Python<'py>,
        rows: &[u8],
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (mut raw, mut ends) = (Vec::new(), Vec::<u64>::new());
        for row in numbers_in(rows) {
            raw.extend_from_slice(self.record(row)?);
            ends.push(raw.len() as u64);
        }
        Ok((
            PyBytes::new(py, &raw),
            PyBytes::new(py, bytemuck::cast_slice(&ends)),
        ))
    }

    /// Which records of some rows (64 bits each) a sieve holds back: one byte each, 1 or 0.
    fn sieved<'py>(
        &self,
        py: Python<'py>,
        rows: &[u8],
        sieve: &Sieve,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut blurred = Vec::new();
        let found: PyResult<Vec<u8>> = numbers_in(rows)
            .map(|row| Ok(u8::from(sieve.holds(self.record(row)?, &mut blurred))))
            .collect();
        Ok(PyBytes::new(py, &found?))
    }
}

fn numbers_in(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes
        .chunks_exact(8)
        .map(|eight| u64::from_ne_bytes(eight.try_into().unwrap_or_default()) as usize)
}

/// Finds the records in which some text may stand; see `kyber.logs.sigma.judge.Sieve`.
#[pyclass]
struct Sieve {
    blurred: AhoCorasick,
    exact: AhoCorasick,
}

#[pymethods]
impl Sieve {
    /// `blurred`: looked for with the bit 0x20 set in every byte; `exact`: looked for as they stand.
    #[new]
    fn new(blurred: Vec<Vec<u8>>, exact: Vec<Vec<u8>>) -> PyResult<Self> {
        Ok(Sieve {
            blurred: searcher(&blurred)?,
            exact: searcher(&exact)?,
        })
    }

    /// Which of some records that stand one after the other are held back: one byte each, 1 or 0. `ends`: where each
    /// ends, 64 bits each.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        joined: &[u8],
        ends: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (mut blurred, mut begin) = (Vec::new(), 0);
        let found: Option<Vec<u8>> = numbers_in(ends)
            .map(|end| {
                let record = joined.get(begin..end)?;
                begin = end;
                Some(u8::from(self.holds(record, &mut blurred)))
            })
            .collect();
        let found = found.ok_or_else(|| PyIndexError::new_err("no such bytes"))?;
        Ok(PyBytes::new(py, &found))
    }
}

impl Sieve {
    fn holds(&self, record: &[u8], blurred: &mut Vec<u8>) -> bool {
        blurred.clear();
        blurred.extend(record.iter().map(|sign| sign | 0x20));
        self.blurred.is_match(&*blurred) || self.exact.is_match(record)
    }
}

fn searcher(needles: &[Vec<u8>]) -> PyResult<AhoCorasick> {
    let kind = AhoCorasickBuilder::new()
        .match_kind(MatchKind::LeftmostFirst)
        .build(needles);
    kind.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// How many line feeds stand in `data` from `begin` to `end`.
#[pyfunction]
fn lines(data: &[u8], begin: usize, end: usize) -> PyResult<usize> {
    let all = data
        .get(begin..end)
        .ok_or_else(|| PyIndexError::new_err("no such bytes"))?;
    Ok(memchr_iter(b'\n', all).count())
}

#[pymodule]
fn kyber_columns(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_function(wrap_pyfunction!(lines, module)?)?;
    module.add_class::<Gatherer>()?;
    module.add_class::<Piece>()?;
    module.add_class::<Sieve>()
}
