//! Frames of LZ4, unpacked. The crate that the columnar engine brings does not check what it reads; what comes from a broker is checked.
//!
//! Checksums of the frame are not: that of the batch around it is.

use super::Damaged;

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const CUT: Damaged = Damaged("a batch of Kafka is no frame of LZ4");

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (taken, rest) = from.split_at_checked(length).ok_or(CUT)?;
    *from = rest;
    Ok(taken)
}

fn byte(from: &mut &[u8]) -> Result<u8, Damaged> {
    take(from, 1).map(|bytes| bytes[0])
}

/// What a frame holds, where that is at most `bytes_max`.
///
/// # Errors
/// When it is none, or holds more.
pub fn lz4(mut frame: &[u8], bytes_max: usize) -> Result<Vec<u8>, Damaged> {
    let from = &mut frame;
    if take(from, 4)? != MAGIC {
        return Err(CUT);
    }
    let flags = byte(from)?;
    let (block_checksums, has_size, has_dictionary) = (flags & 0x10 != 0, flags & 0x08 != 0, flags & 0x01 != 0);
    // Largest block, size, dictionary, checksum of the head.
    take(from, 1 + 8 * usize::from(has_size) + 4 * usize::from(has_dictionary) + 1)?;
    let mut found = vec![];
    loop {
        let size = take(from, 4)?;
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
        if size == 0 {
            return Ok(found);
        }
        let block = take(from, (size & 0x7fff_ffff) as usize)?;
        if size >> 31 == 1 {
            push(&mut found, block, bytes_max)?;
        } else {
            unpack(block, &mut found, bytes_max)?;
        }
        take(from, 4 * usize::from(block_checksums))?;
    }
}

fn push(found: &mut Vec<u8>, bytes: &[u8], bytes_max: usize) -> Result<(), Damaged> {
    if found.len() + bytes.len() > bytes_max {
        return Err(Damaged("a batch of Kafka holds more than is read"));
    }
    found.extend(bytes);
    Ok(())
}

/// A length of which four bits are known; the rest is in as many bytes as it takes.
fn length(from: &mut &[u8], bits: u8) -> Result<usize, Damaged> {
    let mut length = usize::from(bits);
    if bits == 15 {
        loop {
            let more = byte(from)?;
            length += usize::from(more);
            if more != 255 {
                break;
            }
        }
    }
    Ok(length)
}

fn unpack(mut block: &[u8], found: &mut Vec<u8>, bytes_max: usize) -> Result<(), Damaged> {
    let from = &mut block;
    while !from.is_empty() {
        let token = byte(from)?;
        let literals = length(from, token >> 4)?;
        push(found, take(from, literals)?, bytes_max)?;
        if from.is_empty() {
            break;
        }
        let distance = take(from, 2)?;
        let distance = usize::from(u16::from_le_bytes([distance[0], distance[1]]));
        let copied = length(from, token & 15)? + 4;
        if distance == 0 || distance > found.len() {
            return Err(CUT);
        }
        if found.len() + copied > bytes_max {
            return Err(Damaged("a batch of Kafka holds more than is read"));
        }
        // What is copied may reach into itself.
        for _ in 0..copied {
            found.push(found[found.len() - distance]);
        }
    }
    Ok(())
}
