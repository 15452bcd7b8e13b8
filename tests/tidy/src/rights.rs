//! What a door's code does to a table and what its role allows are the same. The code is read as text: which of the
//! store's functions the door calls, and which of DynamoDB's actions those come down to.

use crate::repository::{doors, names, pascal, read, report, shipped};
use crate::template::template;
use std::collections::{BTreeMap, BTreeSet};

const STORE: &str = "shared/store/src";

/// The two handles of the store by their fields' names, the tables behind them, and whether a file belongs to them.
const HANDLES: [(&str, &str, Files); 2] =
    [("inbox", "EventsTable", |file| file == "inbox.rs"), ("store", "MainTable", |file| file != "inbox.rs")];

type Files = fn(&str) -> bool;

/// What a call of the SDK asks for.
const CALLS: [(&str, &str); 12] = [
    (".get_item()", "GetItem"),
    (".batch_get_item()", "BatchGetItem"),
    (".query()", "Query"),
    (".put_item()", "PutItem"),
    (".update_item()", "UpdateItem"),
    (".delete_item()", "DeleteItem"),
    ("Put::builder()", "PutItem"),
    ("Update::builder()", "UpdateItem"),
    ("Delete::builder()", "DeleteItem"),
    ("ConditionCheck::builder()", "ConditionCheckItem"),
    // The store's own way to write an update, sent by itself or within a transaction.
    (".call(&self.client,", "UpdateItem"),
    (".item(&self.table)", "UpdateItem"),
];

struct Function {
    name: String,
    /// Without blanks, so that a chain of calls is one text however it is broken into lines.
    body: String,
}

fn functions(file: &str) -> Vec<Function> {
    let text = read(format!("{STORE}/{file}"));
    let code: String =
        shipped(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let one = |part: &str| {
        let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        Function { name, body: part.split_whitespace().collect() }
    };
    code.split("fn ").skip(1).map(one).collect()
}

/// The actions of every function that `mine` files define, followed through the functions they call.
fn actions(mine: Files) -> BTreeMap<String, BTreeSet<String>> {
    let files = names(STORE).into_iter().filter(|file| mine(file) || file == "expression.rs");
    let functions: Vec<_> = files.flat_map(|file| functions(&file)).collect();
    let mut known: BTreeMap<_, _> =
        functions.iter().map(|function| (function.name.clone(), direct(&function.body))).collect();
    loop {
        let mut grown = false;
        for function in &functions {
            let called = functions.iter().filter(|other| calls(&function.body, &other.name));
            let more: BTreeSet<_> = called.flat_map(|other| known[&other.name].clone()).collect();
            let mine = known.entry(function.name.clone()).or_default();
            let before = mine.len();
            mine.extend(more);
            grown |= mine.len() > before;
        }
        if !grown {
            return known;
        }
    }
}

fn direct(body: &str) -> BTreeSet<String> {
    let on = |action: &str| match (action, body.split_once(".index_name(\"")) {
        ("Query", Some((_, rest))) => format!("Query on index/{}", rest.split('"').next().unwrap_or_default()),
        _ => action.to_owned(),
    };
    CALLS.iter().filter(|(call, _)| body.contains(call)).map(|(_, action)| on(action)).collect()
}

/// `self.name(` or `name(`; a method of that name on anything else, an iterator's `find` say, is another one.
fn calls(body: &str, name: &str) -> bool {
    body.match_indices(&format!("{name}(")).any(|(at, _)| {
        let before = &body[..at];
        before.ends_with("self.")
            || before.ends_with("Self::")
            || !before.ends_with(|c: char| c.is_alphanumeric() || "_.:".contains(c))
    }) && !body.starts_with(&format!("{name}("))
}

#[test]
fn a_role_allows_what_the_code_does() {
    let template = template();
    let granted = crate::roles::granted(&template);
    let mut faults = Vec::new();
    for door in doors() {
        let code: String = crate::repository::sources()
            .iter()
            .filter(|path| path.starts_with(&format!("functions/{door}/src/")))
            .flat_map(|path| shipped(&read(path)).split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        for (handle, table, mine) in HANDLES {
            let known = actions(mine);
            let used = known.iter().filter(|(name, _)| code.contains(&format!("{handle}.{name}(")));
            let needed: BTreeSet<_> = used.flat_map(|(_, actions)| actions.clone()).collect();
            let mine = granted.iter().filter(|(name, action, place)| {
                *name == pascal(&door) && action.starts_with("dynamodb:") && place.split('/').next() == Some(table)
            });
            let may: BTreeSet<_> = mine
                .map(|(_, action, place)| {
                    let action = action.trim_start_matches("dynamodb:");
                    place.split_once('/').map_or_else(|| action.to_owned(), |(_, index)| format!("{action} on {index}"))
                })
                .collect();
            faults.extend(needed.difference(&may).map(|right| format!("{door}: does {right} on {table} and may not")));
            faults.extend(
                may.difference(&needed).map(|right| format!("{door}: may do {right} on {table} and never does")),
            );
        }
    }
    report(faults);
}
