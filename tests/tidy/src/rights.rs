//! What a function's code does to a table equals what its role allows. The code is read as text: which methods of the store
//! a function calls, and which DynamoDB actions on which tables these methods use.

use crate::repository::{functions, pascal, read, report, shipped, sources};
use crate::template::template;
use std::collections::{BTreeMap, BTreeSet};

const STORE: &str = "shared/store/src/";
/// How reads and conditional writes are spelled. The table they are for is named where they are used.
/// These files name no table of their own.
const WITHOUT_TABLE: [&str; 2] = ["db/tx.rs", "db/table.rs"];

/// The handles of the store by their fields' names, the table that is their own, and whether a file belongs to them.
const HANDLES: [(&str, &str, Files); 6] = [
    ("inbox", "EventsTable", |file| {
        ["inbox.rs", "inbox/pending.rs"].contains(&file)
    }),
    ("seals", "LedgerTable", |file| file == "ledger/seals.rs"),
    ("recoveries", RECOVERIES, |file| file == "inbox/recovery.rs"),
    ("ingest", SWITCHES, |file| file == "inbox/ingest.rs"),
    ("switches", "MainTable", |file| file == "switches.rs"),
    ("store", "MainTable", |file| {
        ![
            "inbox.rs",
            "inbox/ingest.rs",
            "inbox/pending.rs",
            "inbox/recovery.rs",
            "ledger/seals.rs",
            "switches.rs",
        ]
        .contains(&file)
    }),
];

/// The receivers' switches: some partitions of the table of events, and all that is read there by a receiver.
const SWITCHES: &str = "EventsTable/keys/SWITCH";

/// What recovery knows: some partitions of the main table.
const RECOVERIES: &str = "MainTable/keys/RECOVERY";

type Files = fn(&str) -> bool;
/// An action, and the table or index it is done to.
type Right = (String, String);

/// How the code names the ledger's table from a handle with another table.
const LEDGER: (&str, &str) = ("side.table", "LedgerTable");
/// How it names a handle's own.
const OWN: &str = "self.table";

/// What a call asks for. Of transactions, each item asks for what it does; the store's own ways to write one are known.
const CALLS: [(&str, &str); 17] = [
    (".get_item()", "GetItem"),
    (".batch_get_item()", "BatchGetItem"),
    (".transact_get_items()", "GetItem"),
    (".scan()", "Scan"),
    (".put_item()", "PutItem"),
    (".update_item()", "UpdateItem"),
    (".delete_item()", "DeleteItem"),
    (".batch_write_item()", "BatchWriteItem"),
    ("Put::builder()", "PutItem"),
    ("Update::builder()", "UpdateItem"),
    ("Delete::builder()", "DeleteItem"),
    ("ConditionCheck::builder()", "ConditionCheckItem"),
    ("put_new(", "PutItem"),
    ("put_when(", "PutItem"),
    ("delete_when(", "DeleteItem"),
    ("check_when(", "ConditionCheckItem"),
    (".item(", "UpdateItem"),
];
/// What is asked of one table. The handle of the table precedes the call.
const OF_TABLE: [(&str, &str); 10] = [
    (".table.get(", "GetItem"),
    (".table.get_eventual(", "GetItem"),
    (".table.query(", "Query"),
    (".table.query_partition(", "Query"),
    (".table.query_prefix(", "Query"),
    (".table.prefix(", "Query"),
    (".table.update(", "UpdateItem"),
    (".table.update_returning(", "UpdateItem"),
    (".table.put_new(", "PutItem"),
    (".table.delete_existing(", "DeleteItem"),
];
/// `self` or `side`.
const HANDLE_CHARS: usize = 4;

/// What takes a place among the open holds or leaves it: only postings that hold or settle come there. Those of jobs and assists do;
/// those that a function makes itself do if it says so.
const HOLDS: &str = "hold_item";
const HOLDING: [&str; 2] = ["Posting::hold(", "Posting::settle("];

pub struct Method {
    pub file: String,
    pub name: String,
    /// Without blanks, so that a chain of calls is one text however it is broken into lines.
    body: String,
}

/// One call in a function's body.
pub struct Call<'a> {
    pub action: &'static str,
    pub table: Option<&'static str>,
    /// From the call to where it is sent.
    pub text: &'a str,
}

/// The functions of the store's files, by their paths below it.
pub fn methods(mine: impl Fn(&str) -> bool) -> Vec<Method> {
    let paths = sources()
        .into_iter()
        .filter_map(|path| Some(path.strip_prefix(STORE)?.to_owned()));
    paths
        .filter(|file| !WITHOUT_TABLE.contains(&file.as_str()) && mine(file))
        .flat_map(|file| methods_in(&file))
        .collect()
}

fn methods_in(file: &str) -> Vec<Method> {
    let text = read(format!("{STORE}{file}"));
    let code: String = shipped(&text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let one = |part: &str| {
        let name = part
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        Method {
            file: file.to_owned(),
            name,
            body: part.split_whitespace().collect(),
        }
    };
    code.split("fn ").skip(1).map(one).collect()
}

impl Method {
    /// Every call of the SDK in it.
    pub fn calls(&self, own: &'static str) -> Vec<Call<'_>> {
        let found = CALLS.into_iter().flat_map(|(call, action)| {
            self.body
                .match_indices(call)
                .map(move |(at, _)| (at, call, action))
        });
        let of_table = OF_TABLE.into_iter().flat_map(|(call, action)| {
            self.body
                .match_indices(call)
                .map(move |(at, _)| (at.saturating_sub(HANDLE_CHARS), action))
        });
        found
            .filter(|(at, call, _)| self.is_call(*at, call))
            .map(|(at, _, action)| (at, action))
            .chain(of_table)
            .map(|(at, action)| self.call(at, action, own))
            .collect()
    }

    /// Neither its own name, nor a method of ours that is called like one, nor a getter.
    fn is_call(&self, at: usize, call: &str) -> bool {
        at > 0
            && !self.body[..at].ends_with("self.")
            && !self.body[..at].ends_with(".table.")
            && !self.body[at + call.len()..].starts_with(')')
    }

    fn call(&self, at: usize, action: &'static str, own: &'static str) -> Call<'_> {
        let text = &self.body[at..];
        let text = text.find(".send()").map_or(text, |end| &text[..end]);
        let named = [(OWN, own), LEDGER];
        let tables = named
            .into_iter()
            .filter_map(|(name, table)| Some((text.find(name)?, table)));
        Call {
            action,
            table: tables.min().map(|(_, table)| table),
            text,
        }
    }

    /// The names of the store's functions that it may call: `self.name(`, `Self::name(` or `name(`. A method of that name on
    /// anything else, such as an iterator's `find`, is another one.
    fn used(&self) -> BTreeSet<&str> {
        let named = |c: char| c.is_alphanumeric() || c == '_';
        let calls = self.body.match_indices('(').skip(1);
        calls
            .filter_map(|(at, _)| {
                let before = &self.body[..at];
                let start = before.rfind(|c: char| !named(c)).map_or(0, |at| at + 1);
                let (receiver, name) = before.split_at(start);
                let is_ours = receiver.ends_with("self.")
                    || receiver.ends_with("Self::")
                    || !receiver.ends_with(['.', ':']);
                (is_ours && !name.is_empty()).then_some(name)
            })
            .collect()
    }

    fn direct(&self, own: &'static str) -> BTreeSet<Right> {
        let right = |call: Call<'_>| {
            let table = call
                .table
                .unwrap_or_else(|| panic!("{}: on which table does {} act?", self.file, self.name));
            let index = call
                .text
                .split_once(".index_name(\"")
                .and_then(|(_, rest)| rest.split('"').next());
            (
                call.action.to_owned(),
                index.map_or_else(
                    || table.to_owned(),
                    |index| format!("{table}/index/{index}"),
                ),
            )
        };
        self.calls(own).into_iter().map(right).collect()
    }
}

/// The rights of every function of a handle, followed through the functions it calls.
fn rights(methods: &[Method], own: &'static str) -> BTreeMap<String, BTreeSet<Right>> {
    let names: BTreeSet<_> = methods.iter().map(|method| method.name.as_str()).collect();
    let mut known: BTreeMap<String, BTreeSet<Right>> = BTreeMap::new();
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for method in methods {
        let rights = known.entry(method.name.clone()).or_default();
        rights.extend(method.direct(own));
        let used = method.used();
        let called = calls.entry(&method.name).or_default();
        called.extend(used.intersection(&names));
    }
    loop {
        let mut grown = false;
        for (name, called) in &calls {
            let more: Vec<_> = called
                .iter()
                .flat_map(|other| known[*other].iter().cloned())
                .collect();
            let mine = known.get_mut(*name).expect("each has an entry");
            let before = mine.len();
            mine.extend(more);
            grown |= mine.len() > before;
        }
        if !grown {
            return known;
        }
    }
}

/// What the functions of a handle ask for.
struct Handle {
    field: &'static str,
    whole: BTreeMap<String, BTreeSet<Right>>,
    /// The same without what only holds and settlements ask for.
    without_holds: BTreeMap<String, BTreeSet<Right>>,
}

impl Handle {
    fn of((field, own, mine): (&'static str, &'static str, Files)) -> Self {
        let mut methods = methods(mine);
        let whole = rights(&methods, own);
        methods.retain(|method| method.name != HOLDS);
        let without_holds = rights(&methods, own);
        Self {
            field,
            whole,
            without_holds,
        }
    }

    /// What a function of AWS needs of it, by its code without blanks.
    fn needed(&self, code: &str) -> BTreeSet<Right> {
        let holds = HOLDING.iter().any(|posting| code.contains(posting));
        let used = self
            .whole
            .iter()
            .filter(|(name, _)| code.contains(&format!("{}.{name}(", self.field)));
        used.flat_map(|(name, all)| {
            if holds || ["job_", "assist_"].iter().any(|own| name.starts_with(own)) {
                all
            } else {
                &self.without_holds[name]
            }
        })
        .cloned()
        .collect()
    }
}

const FLOWS: &str = "shared/flows/src/";

/// A text without blanks, so that it is the same however it is broken into lines.
pub fn solid(text: &str) -> String {
    text.split_whitespace().collect()
}

fn solid_file(path: &str) -> String {
    solid(shipped(&read(path)))
}

/// The code of a function and of the flows that it uses, without blanks.
pub fn code_of(function: &str, sources: &[String]) -> String {
    let folder = format!("functions/{function}/src/");
    let own = sources.iter().filter(|path| path.starts_with(&folder));
    let mut code: String = own.map(|path| solid_file(path)).collect();
    code.push_str(&flows_of(&code, sources));
    code
}

/// The flows that a function's code imports, and those that they import in turn. A flow is a file, and `use` names it.
fn flows_of(code: &str, sources: &[String]) -> String {
    let mut found = BTreeSet::new();
    let mut open = vec![("useflows::", code.to_owned())];
    let mut whole = String::new();
    while let Some((import, code)) = open.pop() {
        let imports = code.split(import).skip(1);
        let named: BTreeSet<String> = imports
            .filter_map(|rest| rest.split(';').next())
            .flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .map(str::to_owned)
            .collect();
        for path in sources.iter().filter(|path| path.starts_with(FLOWS)) {
            let name = path.rsplit('/').next().unwrap_or_default();
            if named.contains(name.trim_end_matches(".rs")) && found.insert(path.clone()) {
                let flow = solid_file(path);
                whole.push_str(&flow);
                open.push(("usecrate::", flow));
            }
        }
    }
    whole
}

#[test]
fn a_role_allows_what_the_code_does() {
    let granted = crate::roles::granted(&template());
    let handles = HANDLES.map(Handle::of);
    let sources = sources();
    let mut faults = Vec::new();
    for function in functions() {
        let code = code_of(&function, &sources);
        let needed: BTreeSet<Right> = handles
            .iter()
            .flat_map(|handle| handle.needed(&code))
            .collect();
        let mine = granted
            .iter()
            .filter(|(name, _, _)| *name == pascal(&function));
        let may: BTreeSet<Right> = mine
            .filter_map(|(_, action, place)| {
                let place = place
                    .split_once('#')
                    .map_or(place.as_str(), |(kind, _)| kind);
                Some((
                    action.strip_prefix("dynamodb:")?.to_owned(),
                    place.to_owned(),
                ))
            })
            .collect();
        // Who may do it to the whole table may do it to a part.
        let part = |(action, place): &Right| {
            place
                .split_once("/keys/")
                .is_some_and(|(table, _)| may.contains(&(action.clone(), table.to_owned())))
        };
        let missing = needed.difference(&may).filter(|right| !part(right));
        faults
            .extend(missing.map(|(action, place)| {
                format!("{function}: does {action} on {place} and may not")
            }));
        let idle = may.difference(&needed);
        faults.extend(idle.map(|(action, place)| {
            format!("{function}: may do {action} on {place} and never does")
        }));
    }
    report(faults);
}

/// The ledger is append-only: no role may change an entry, and no code tries to.
#[test]
fn the_ledger_is_only_added_to() {
    let may = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"];
    let granted = crate::roles::granted(&template());
    let mut faults: Vec<_> = granted
        .iter()
        .filter(|(_, action, place)| {
            place.split('/').next() == Some(LEDGER.1) && !may.contains(&action.as_str())
        })
        .map(|(function, action, _)| {
            format!("{function}: {action} on the ledger would change what is written for ever")
        })
        .collect();
    let reads = ["GetItem", "Query", "Scan"];
    for (_, own, mine) in HANDLES {
        for function in methods(mine) {
            let calls = function.calls(own);
            let known = calls.iter().filter(|call| call.table == Some(LEDGER.1));
            faults.extend(
                known
                    .filter(|call| !reads.contains(&call.action) && !is_new(call))
                    .map(|call| {
                        format!(
                            "{STORE}{}: {} puts into the ledger what may be there: {}",
                            function.file, function.name, call.text
                        )
                    }),
            );
        }
    }
    for file in WITHOUT_TABLE {
        let spelling = methods_in(file);
        let put_new = spelling
            .iter()
            .find(|function| function.name == "put_new")
            .expect("a put of what is not there yet");
        if !put_new.body.contains(NEW) {
            faults.push(format!("{STORE}{file}: put_new must say {NEW}"));
        }
    }
    report(faults);
}

const NEW: &str = r#".condition_expression("attribute_not_exists(pk)")"#;

/// A put that is refused if the item exists.
fn is_new(call: &Call<'_>) -> bool {
    call.text.starts_with("put_new(")
        || call.text.starts_with("side.table.put_new(")
        || (call.action == "PutItem" && call.text.contains(NEW))
}

/// A rule that cannot fail proves nothing.
#[test]
fn a_write_that_could_change_the_ledger_is_seen() {
    let changes = |code: &str| {
        let body = format!("name(){{{}}}", code.split_whitespace().collect::<String>());
        let function = Method {
            file: "some.rs".to_owned(),
            name: "name".to_owned(),
            body,
        };
        let calls = function.calls("MainTable");
        calls
            .iter()
            .any(|call| call.table == Some(LEDGER.1) && call.action != "Query" && !is_new(call))
    };
    for code in [
        "put_when(&side.table, item, condition, values)",
        "delete_when(&side.table, key, condition, values)",
        "change.item(&side.table)",
        "side.table.update(OPERATION, change).await",
        "self.client.put_item().table_name(&self.side.table).set_item(item).send()",
        "self.client.update_item().table_name(&side.table).send()",
        "self.client.delete_item().table_name(&side.table).send()",
        "self.client.batch_write_item().request_items(&side.table, all).send()",
        "Put::builder().table_name(&side.table).set_item(item).build()",
    ] {
        assert!(changes(code), "{code}");
    }
    for code in [
        "put_new(&side.table, item)",
        "self.table.update(OPERATION, change).await",
        "side.table.put_new(OPERATION, item).await",
        "self.client.put_item().table_name(&side.table).condition_expression(\"attribute_not_exists(pk)\").send()",
        "side.table.query().send()",
        "put_when(&self.table, item, condition, values)",
    ] {
        assert!(!changes(code), "{code}");
    }
}

/// A table under another name would escape every rule here.
#[test]
#[should_panic(expected = "on which table")]
fn a_write_to_an_unknown_table_is_refused() {
    let body = "name(){put_when(table,item,condition,values)}".to_owned();
    let function = Method {
        file: "some.rs".to_owned(),
        name: "name".to_owned(),
        body,
    };
    function.direct("MainTable");
}
