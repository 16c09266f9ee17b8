//! `x % y`: the remainder of numbers, or `x` with its `%s` filled in.

use minijinja::{Error, Value};

use super::args::{described, refuse};

/// `left % right`, as Python has it.
pub(crate) fn percent(left: &Value, right: &Value) -> Result<Value, Error> {
    match left.as_str() {
        Some(_) => Err(refuse("not yet")),
        None => remainder(left, right),
    }
}

/// The remainder has the sign of the divisor.
fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    let both = format!("`%` cannot be used with {} and {}", described(left), described(right));
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64())
        && !is_float(left, right)
    {
        return match right {
            0 => Err(refuse("division by zero")),
            _ => Ok(Value::from(left.wrapping_rem(right).wrapping_add(right).wrapping_rem(right))),
        };
    }
    match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
        (Ok(_), Ok(0.0)) => Err(refuse("division by zero")),
        (Ok(left), Ok(right)) => Ok(Value::from(left - right * (left / right).floor())),
        _ => Err(refuse(both)),
    }
}

fn is_float(_: i64, _: i64) -> bool {
    false
}
