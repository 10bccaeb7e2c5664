//! What the traces were made with: the random numbers, the models of requests, the hash.

use percpu_core::{AreaNeed, AreaRequest};

/// The linear congruential generator of the vectors.
pub struct Lcg(u64);

impl Lcg {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of 31 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// The next request of a model.
    pub fn request(&mut self, model: &str) -> Result<AreaNeed, String> {
        let (size, align) = match model {
            "small12" => {
                let sizes = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];
                let size = sizes[self.below(12) as usize];
                (size, if size % 8 == 0 { 8 } else { 4 })
            }
            "vmtest" => (1 + self.below(1024), 1 << (1 + self.below(11))),
            "wide" => (1 + self.below(32_768), 1 << self.below(13)),
            "mixed" => {
                let limit = match self.below(100) {
                    0..80 => 64,
                    80..97 => 1024,
                    _ => 8192,
                };
                (4 + 4 * self.below(limit), 1 << (2 + self.below(5)))
            }
            "page" => (4096 * (1 + self.below(4)), 4096),
            "tiny4" => {
                self.next();
                (4, 4)
            }
            other => return Err(format!("unknown model {other}")),
        };
        checked(size, align)
    }
}

/// A request as the allocator takes it.
pub fn checked(size: u64, align: u64) -> Result<AreaNeed, String> {
    let request = AreaRequest {
        size: size as usize,
        align: align as usize,
    };
    AreaNeed::checked(request).map_err(|error| error.to_string())
}

/// FNV-1a, 64 bits.
pub struct Fnv(u64);

impl Fnv {
    pub fn new() -> Self {
        Self(14_695_981_039_346_656_037)
    }

    pub fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    }

    pub fn number(&mut self, number: i64) {
        for byte in (number as i32).to_le_bytes() {
            self.byte(byte);
        }
    }

    pub fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}
