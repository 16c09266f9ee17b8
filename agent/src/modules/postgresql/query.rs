//! `postgresql_query`: queries and their rows. A check runs them in a transaction that may only read: what that refuses is not known.

use super::session::{self, Session, complaint, identifier, literal};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Ran;
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};

pub(in super::super) struct Query;

/// What no query says: null, and the end of an answer.
const NULL: &str = "\u{1}null\u{1}";
const END: &str = "\u{1}end\u{1}";

impl Module for Query {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let queries = queries(args)?;
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        if session.is_fresh(view) {
            return Ok(Check::unknown(format!(
                "database `{}` is not there yet: an earlier step would make it",
                session.database
            )));
        }
        let ran = session::run(session.command(&OPTIONS, &script(&queries, true, args)), view)?;
        match answers(&ran, &queries) {
            Ok(answers) => Ok(Check { outcome: outcome(&queries, answers), ..Check::default() }),
            // What the query works on may be there when earlier steps were done; what writes was not run.
            Err(failure) if failure.msg.contains("read-only transaction") => {
                Ok(Check::unknown("the query writes, which is not done in check mode"))
            }
            Err(failure) if failure.msg.contains("cannot run inside a transaction block") => Ok(
                Check::unknown("the query stands outside of transactions, which is not done in check mode"),
            ),
            Err(failure) => match failure.msg.contains("does not exist") {
                true => Err(Failure { is_missing: true, ..failure }),
                false => Err(failure),
            },
        }
    }

    fn apply(&self, args: &Args<'_>, _check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let queries = queries(args)?;
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), &hands.view())?;
        let ran = hands
            .run(&session.command(&OPTIONS, &script(&queries, false, args)))
            .map_err(|error| Failure::new(format!("cannot run `psql`: {error}")))?;
        Ok(outcome(&queries, answers(&ran, &queries)?))
    }
}

const OPTIONS: [&str; 1] = ["--csv"];

/// The queries, with what their arguments stand for.
fn queries(args: &Args<'_>) -> Result<Vec<String>, Failure> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let written: Option<Vec<String>> = match args.raw("query") {
        Some(Value::Array(items)) => items.iter().map(text).collect(),
        Some(value) => text(value).map(|one| vec![one]),
        None => None,
    };
    let written = written.ok_or_else(|| Failure::new("`query` is a text or a list of texts"))?;
    let filled: Result<Vec<String>, Failure> = written.iter().map(|query| filled(query, args)).collect();
    Ok(filled?.iter().map(|query| query.trim().trim_end_matches(';').to_owned()).collect())
}

fn filled(query: &str, args: &Args<'_>) -> Result<String, Failure> {
    let positional = args.raw("positional_args").and_then(Value::as_array);
    let named = args.raw("named_args").and_then(Value::as_object);
    if positional.is_none() && named.is_none() {
        return Ok(query.to_owned());
    }
    let mut next = positional.into_iter().flatten();
    let (mut text, mut rest) = (String::new(), query);
    while let Some(at) = rest.find('%') {
        text += &rest[..at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('%') {
            (text, rest) = (text + "%", after);
        } else if let Some(after) = after.strip_prefix('s') {
            let value = next.next();
            let value = value
                .ok_or_else(|| Failure::new("`positional_args` has fewer values than the query has `%s`"))?;
            (text, rest) = (text + &written(value), after);
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|inner| inner.split_once(")s")) {
            let value = named.and_then(|named| named.get(name));
            let value = value.ok_or_else(|| Failure::new(format!("`named_args` has no `{name}`")))?;
            (text, rest) = (text + &written(value), after);
        } else {
            return Err(Failure::new("a `%` in a query with arguments is written `%%`"));
        }
    }
    Ok(text + rest)
}

/// A value as SQL.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => literal(text),
        Value::Array(items) => format!("ARRAY[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => literal(&value.to_string()),
    }
}

/// For each query its columns with their types, then its rows or what it came to.
fn script(queries: &[String], only_reads: bool, args: &Args<'_>) -> String {
    let mut script = format!("\\pset null '{NULL}'\n");
    if let Some(path) = args.list("search_path") {
        let path: Vec<String> = path.iter().map(|schema| identifier(schema)).collect();
        script += &format!("SET search_path TO {};\n", path.join(", "));
    }
    script += &format!("\\echo '{END}'\n");
    let alone = args.flag("autocommit") && !only_reads;
    script += match (alone, only_reads) {
        (true, _) => "",
        (false, true) => "BEGIN READ ONLY;\n",
        (false, false) => "BEGIN;\n",
    };
    script += &format!("\\echo '{END}'\n");
    for query in queries {
        script += &format!("{query}\n\\gdesc\n\\echo '{END}'\n{query}\n;\n\\echo '{END}'\n");
    }
    script
        + if alone {
            ""
        } else if only_reads {
            "ROLLBACK;\n"
        } else {
            "COMMIT;\n"
        }
}

/// What one query came to.
struct Answer {
    status: String,
    rows: Vec<Value>,
    count: u64,
}

fn answers(ran: &Ran, queries: &[String]) -> Result<Vec<Answer>, Failure> {
    if !ran.is_fine() {
        let said = complaint(ran);
        let msg = match said.is_missing {
            true => said.msg.clone(),
            false => format!("Cannot execute SQL: {}", said.msg),
        };
        return Err(Failure { msg, ..said });
    }
    let out = ran.out();
    let parts: Vec<&str> = out.split(&format!("{END}\n")).collect();
    let answers = queries.iter().enumerate().map(|(at, query)| {
        let (types, said) = (parts.get(2 + at * 2).copied()?, parts.get(3 + at * 2).copied()?);
        Some(answer(query, types, said))
    });
    answers.collect::<Option<Vec<_>>>().ok_or_else(|| Failure::new("psql's answer cannot be read"))
}

fn answer(query: &str, types: &str, said: &str) -> Answer {
    let types: Vec<String> =
        table(types).into_iter().skip(1).map(|row| row.into_iter().nth(1).unwrap_or_default()).collect();
    let mut lines = table(said);
    // Rows come without what the statement came to, unless it has both.
    let tag = lines.last().filter(|line| line.len() == 1 && is_status(&line[0])).map(|line| line[0].clone());
    let tag = tag.filter(|_| types.is_empty() || !is_select(query));
    if tag.is_some() {
        lines.pop();
    }
    let names = if types.is_empty() || lines.is_empty() { Vec::new() } else { lines.remove(0) };
    let row = |line: &Vec<String>| {
        let cells = names.iter().zip(line).zip(&types);
        let pairs = cells.map(|((name, cell), kind)| (name.clone(), typed(cell, kind)));
        Value::Object(pairs.collect::<Map<String, Value>>())
    };
    let rows: Vec<Value> = if types.is_empty() { Vec::new() } else { lines.iter().map(row).collect() };
    let status = tag.unwrap_or_else(|| format!("SELECT {}", rows.len()));
    let count =
        status.split_whitespace().last().and_then(|word| word.parse().ok()).unwrap_or(rows.len() as u64);
    Answer { status, rows, count }
}

fn is_select(query: &str) -> bool {
    let word = query.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
    ["SELECT", "SHOW", "VALUES", "TABLE", "EXPLAIN"]
        .iter()
        .any(|select| word.get(..select.len()).is_some_and(|start| start.eq_ignore_ascii_case(select)))
}

/// `INSERT 0 1`, `CREATE TABLE`
fn is_status(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|word| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase()))
        && words.all(|word| word.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()))
}

/// A cell as the type of its column says.
fn typed(cell: &str, kind: &str) -> Value {
    let plain = || Value::from(cell);
    match kind {
        _ if cell == NULL => Value::Null,
        "smallint" | "integer" | "bigint" | "oid" => {
            cell.parse::<i64>().map_or_else(|_| plain(), Value::from)
        }
        "real" | "double precision" => cell.parse::<f64>().map_or_else(|_| plain(), Value::from),
        _ if kind.starts_with("numeric") => cell.parse::<f64>().map_or_else(|_| plain(), Value::from),
        "boolean" => (cell == "t").into(),
        "json" | "jsonb" => serde_json::from_str(cell).unwrap_or_else(|_| plain()),
        _ => plain(),
    }
}

/// Comma-separated values (RFC 4180).
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

fn outcome(queries: &[String], answers: Vec<Answer>) -> Outcome {
    let is_change = |answer: &Answer| {
        let word = answer.status.split_whitespace().next().unwrap_or("");
        match word {
            "SELECT" | "SHOW" | "EXPLAIN" | "FETCH" | "VALUES" => answer.status == "SELECT INTO",
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => answer.count > 0,
            _ => true,
        }
    };
    let mut outcome = Outcome { changed: answers.iter().any(is_change), ..Outcome::default() };
    let all: Vec<Value> = answers.iter().map(|answer| answer.rows.clone().into()).collect();
    let counts: u64 = answers.iter().map(|answer| answer.count).sum();
    let last = queries.last().cloned().unwrap_or_default();
    let rows = answers.last().map_or_else(Vec::new, |answer| answer.rows.clone());
    let status = answers.last().map_or_else(String::new, |answer| answer.status.clone());
    outcome.result.extend([
        ("query".to_owned(), last.into()),
        ("query_list".to_owned(), queries.to_vec().into()),
        ("query_result".to_owned(), rows.into()),
        ("query_all_results".to_owned(), all.into()),
        ("rowcount".to_owned(), counts.into()),
        ("statusmessage".to_owned(), status.into()),
    ]);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_come_quoted_into_the_query() {
        let args = json!({"positional_args": ["it's", 5, null, [1, 2]]});
        let Value::Object(args) = args else { unreachable!("it is written above") };
        let query = filled("SELECT %s, %s, %s, %s, '%%'", &Args { values: &args }).expect("good");
        assert_eq!(query, "SELECT 'it''s', 5, NULL, ARRAY[1, 2], '%'");
        let Value::Object(args) = json!({"named_args": {"a": true}}) else {
            unreachable!("it is written above")
        };
        assert_eq!(filled("SELECT %(a)s", &Args { values: &args }).expect("good"), "SELECT true");
        assert!(filled("SELECT %(b)s", &Args { values: &args }).is_err());
    }

    #[test]
    fn rows_have_the_types_of_their_columns() {
        let types = "Column,Type\nid,integer\nname,text\nok,boolean\ndata,jsonb\n";
        let said =
            format!("id,name,ok,data\n1,\"a, \"\"b\"\"\n\",t,\"{{\"\"x\"\": 1}}\"\n2,{NULL},f,{NULL}\n");
        let found = answer("SELECT id, name FROM t", types, &said);
        assert_eq!(found.rows[0], json!({"id": 1, "name": "a, \"b\"\n", "ok": true, "data": {"x": 1}}));
        assert_eq!(found.rows[1], json!({"id": 2, "name": null, "ok": false, "data": null}));
        assert_eq!((found.status.as_str(), found.count), ("SELECT 2", 2));
    }

    #[test]
    fn statements_say_what_they_came_to() {
        let found = answer(
            "UPDATE t SET a = 1",
            "The command has no result, or the result has no columns.\n",
            "UPDATE 3\n",
        );
        assert_eq!((found.status.as_str(), found.count, found.rows.len()), ("UPDATE 3", 3, 0));
        let found = answer(
            "INSERT INTO t VALUES (1) RETURNING id",
            "Column,Type\nid,integer\n",
            "id\n7\nINSERT 0 1\n",
        );
        assert_eq!((found.status.as_str(), found.rows[0].clone()), ("INSERT 0 1", json!({"id": 7})));
    }
}
