//! Taking a report line apart by its keywords.

/// The word behind a keyword: `after("cpu 3 node 1", "node")` is `1`.
pub fn after<'a>(line: &'a str, keyword: &str) -> Result<&'a str, String> {
    let mut words = line.split_whitespace().skip_while(|word| *word != keyword);
    words
        .nth(1)
        .ok_or_else(|| format!("no `{keyword} …` in `{line}`"))
}

/// A number, decimal or `0x…`.
pub fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is no number"))
}

/// The number behind a keyword.
pub fn number_after(line: &str, keyword: &str) -> Result<u64, String> {
    number(after(line, keyword)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_keyword() {
        let line = "cpu 3 unit_base 0xffff800000200000";
        assert_eq!(number_after(line, "cpu"), Ok(3));
        assert_eq!(number_after(line, "unit_base"), Ok(0xffff_8000_0020_0000));
        assert!(number_after(line, "phys").is_err());
        assert!(number_after("cpu", "cpu").is_err());
        assert!(number_after("cpu x", "cpu").is_err());
    }
}
