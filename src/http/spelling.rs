//! What HTTP allows to be written.

/// Whether this can be a method or the name of a field: a token of RFC 9110, section 5.6.2.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether this can be sent as the value of a field: printable characters of ASCII, spaces and tabs.
pub fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_and_values_stay_on_their_line() {
        assert!(["GET", "X-Real-IP", "M-SEARCH", "a!#$%&'*+-.^_`|~9"].into_iter().all(is_token));
        assert!(!["", "a b", "a:b", "a\r\n", "a\"", "(a)", "ä", "a\0"].into_iter().any(is_token));
        assert!(["", "text/html; q=0.5", "a\tb", "~"].into_iter().all(is_field_value));
        assert!(!["a\r\nb: c", "a\n", "a\0", "\u{7f}", "ä"].into_iter().any(is_field_value));
    }
}
