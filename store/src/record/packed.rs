//! A vector in as few bytes as it takes to give back the same bits.
//!
//! Two bits a feature say how it is kept: 0 as zero, 1 as an integer (LEB128), 2 as its eight bytes. Most features of most
//! flows are zeros and small integers, so a vector takes about half of its 160 bytes.

use super::FEATURES;

const HEAD: usize = FEATURES.div_ceil(4);
const ZERO: u8 = 0;
const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
/// Beyond it an integer takes more than seven bytes, and is not worth the trouble.
const INTEGER_MAX: f64 = 562_949_953_421_312.0; // 2^49

/// Replaces what is in `packed`.
pub(crate) fn pack_features(features: &[f64; FEATURES], packed: &mut Vec<u8>) {
    packed.clear();
    packed.resize(HEAD, 0);
    for (index, &value) in features.iter().enumerate() {
        let form = if value.to_bits() == 0 {
            ZERO
        } else if value > 0.0 && value < INTEGER_MAX && value.fract() == 0.0 {
            let mut rest = value as u64;
            while rest >= 0x80 {
                packed.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            packed.push(rest as u8);
            INTEGER
        } else {
            packed.extend_from_slice(&value.to_le_bytes());
            FLOAT
        };
        packed[index / 4] |= form << (index % 4 * 2);
    }
}

/// The vector in `packed`; none when that is no such thing.
pub(crate) fn unpack_features(packed: &[u8]) -> Option<[f64; FEATURES]> {
    let (head, mut rest) = packed.split_at_checked(HEAD)?;
    let mut features = [0.0; FEATURES];
    for (index, feature) in features.iter_mut().enumerate() {
        match head[index / 4] >> (index % 4 * 2) & 3 {
            ZERO => {}
            INTEGER => {
                let (mut value, mut shift) = (0u64, 0);
                loop {
                    let (&byte, after) = rest.split_first()?;
                    rest = after;
                    value |= u64::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                    if shift > 49 {
                        return None;
                    }
                }
                *feature = value as f64;
            }
            FLOAT => {
                let (bytes, after) = rest.split_first_chunk()?;
                rest = after;
                *feature = f64::from_le_bytes(*bytes);
            }
            _ => return None,
        }
    }
    rest.is_empty().then_some(features)
}

#[cfg(test)]
mod tests;
