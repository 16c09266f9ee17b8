//! `<` and its relatives as Python has them: what cannot be compared fails instead of giving some answer.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::args::{described, refuse};
use super::filters::time;

/// `left SIGN right`.
pub(crate) fn ordered(left: &Value, right: &Value, sign: &str) -> Result<bool, Error> {
    if left.is_undefined() || right.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if is_nan(left) || is_nan(right) {
        return Ok(false);
    }
    let ordering = compare(left, right).map_err(refuse)?;
    Ok(match sign {
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
}

fn is_nan(value: &Value) -> bool {
    value.kind() == ValueKind::Number && f64::try_from(value.clone()).is_ok_and(f64::is_nan)
}

/// The order of two values of one kind, or why there is none.
pub(crate) fn compare(left: &Value, right: &Value) -> Result<Ordering, String> {
    use ValueKind::{Bool, Bytes, Iterable, Number, Seq, String};
    match (left.kind(), right.kind()) {
        (Number | Bool, Number | Bool) | (String, String) | (Bytes, Bytes) => Ok(left.cmp(right)),
        (Seq | Iterable, Seq | Iterable) if left.is_tuple() == right.is_tuple() => lists(left, right),
        _ if time::is_time(left) && time::is_time(right) => Ok(left.cmp(right)),
        _ => {
            let hint = match (left.kind(), right.kind()) {
                (String, Number) | (Number, String) => "; convert the text with `int` or `float`",
                _ => "",
            };
            Err(format!("{} and {} have no order{hint}", described(left), described(right)))
        }
    }
}

fn lists(left: &Value, right: &Value) -> Result<Ordering, String> {
    let items = |value: &Value| super::value::items(value).map_err(|err| err.to_string());
    let (left, right) = (items(left)?, items(right)?);
    for (left, right) in left.iter().zip(&right) {
        if left != right {
            return compare(left, right);
        }
    }
    Ok(left.len().cmp(&right.len()))
}
