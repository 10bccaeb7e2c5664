//! Numbers as machines and people write them.

/// A number, decimal or `0x…`.
pub fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_others_refused() {
        assert_eq!(number("17"), Ok(17));
        assert_eq!(number("0xffff800000000000"), Ok(0xffff_8000_0000_0000));
        for nonsense in ["", "x", "0x", "-1", "0xfffffffffffffffff"] {
            assert!(number(nonsense).is_err(), "{nonsense}");
        }
    }
}
