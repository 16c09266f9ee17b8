//! How a play's hosts are cut into batches (`serial`), and when too many of a batch have failed.

use serde_json::Value as Json;

/// The sizes of the batches for so many hosts; the last one is repeated until all are done.
///
/// # Errors
///
/// A sentence: a size is neither a number nor a percentage.
pub(crate) fn batches(serial: &Json, hosts: usize) -> Result<Vec<usize>, String> {
    let sizes = match serial {
        Json::Array(items) => items.iter().map(|item| size(item, hosts)).collect::<Result<Vec<_>, _>>()?,
        Json::Null => Vec::new(),
        one => vec![size(one, hosts)?],
    };
    let mut sizes = sizes.into_iter().peekable();
    let (mut left, mut batches) = (hosts, Vec::new());
    while left > 0 {
        let size = match sizes.peek().copied() {
            None | Some(0) => left,
            Some(size) => size.min(left),
        };
        // The last size stays for all further batches.
        let current = sizes.next();
        if sizes.peek().is_none() {
            sizes = current.into_iter().collect::<Vec<_>>().into_iter().peekable();
        }
        batches.push(size);
        left -= size;
    }
    Ok(batches)
}

fn size(value: &Json, hosts: usize) -> Result<usize, String> {
    let text = crate::run::keywords::json_text(value);
    let wrong = || format!("`serial` is a number of hosts or a percentage, not `{text}`");
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            // At least one host, or the play would never end.
            Ok(((percent / 100.0 * hosts as f64) as usize).max(1))
        }
        None => {
            text.trim().parse::<i64>().map(|size| usize::try_from(size).unwrap_or(0)).map_err(|_| wrong())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_serial_all_hosts_are_one_batch() {
        assert_eq!(batches(&Json::Null, 5), Ok(vec![5]));
        assert_eq!(batches(&json!(0), 5), Ok(vec![5]));
    }

    #[test]
    fn sizes_are_taken_in_turn_and_the_last_is_repeated() {
        assert_eq!(batches(&json!(2), 5), Ok(vec![2, 2, 1]));
        assert_eq!(batches(&json!([1, "40%"]), 10), Ok(vec![1, 4, 4, 1]));
        assert_eq!(batches(&json!("10%"), 3), Ok(vec![1, 1, 1]));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        assert!(batches(&json!("many"), 3).is_err());
    }
}
