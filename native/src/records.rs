//! Raw records of events that are held back, in blocks of memory that are used again and again: asking the system for
//! new memory costs as much as looking through what is copied there.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a block.
const BLOCK: usize = 64 * 1024;
/// Bytes up to which the first block of a shape grows by itself, as many shapes have few events.
const SMALL: usize = 4 * 1024;
/// Bytes that a record takes besides itself: its place, number and offset.
const ROW: usize = 28;

/// Blocks that nothing is held in.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn block(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    fn back(&self, blocks: Vec<Vec<u8>>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(
            blocks
                .into_iter()
                .filter(|one| one.capacity() == BLOCK)
                .map(|mut one| {
                    one.clear();
                    one
                }),
        );
    }
}

/// Records one after the other, where each begins, and what numbers they have in their input.
pub struct Records {
    blocks: Vec<Vec<u8>>,
    places: Vec<(u32, u32, u32)>,
    pub numbers: Vec<u64>,
    pub offsets: Vec<u64>,
    size: usize,
    pool: Pool,
}

impl Records {
    pub fn new(pool: &Pool) -> Self {
        Records {
            blocks: Vec::new(),
            places: Vec::new(),
            numbers: Vec::new(),
            offsets: Vec::new(),
            size: 0,
            pool: pool.clone(),
        }
    }

    /// Adds a record; how many bytes of memory more that takes.
    pub fn push(&mut self, record: &[u8], number: u64, offset: u64) -> usize {
        let grown = self.room(record.len());
        let block = self.blocks.len() - 1;
        let held = &mut self.blocks[block];
        let begin = held.len();
        held.extend_from_slice(record);
        self.places
            .push((block as u32, begin as u32, held.len() as u32));
        self.numbers.push(number);
        self.offsets.push(offset);
        let taken = grown + ROW;
        self.size += taken;
        taken
    }

    /// Has the last block have room for a record; how many bytes that took.
    fn room(&mut self, wanted: usize) -> usize {
        if let Some(last) = self.blocks.last_mut() {
            let (room, before) = (last.capacity() - last.len(), last.capacity());
            if wanted <= room {
                return 0;
            }
            if before < SMALL && last.len() + wanted <= SMALL {
                last.reserve(wanted);
                return last.capacity() - before;
            }
        }
        let block = if self.blocks.is_empty() && wanted <= SMALL || wanted > BLOCK {
            Vec::with_capacity(wanted)
        } else {
            self.pool.block()
        };
        let taken = block.capacity();
        self.blocks.push(block);
        taken
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let (block, begin, end) = *self.places.get(row)?;
        self.blocks
            .get(block as usize)?
            .get(begin as usize..end as usize)
    }

    /// Bytes, about.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.pool.back(std::mem::take(&mut self.blocks));
    }
}
