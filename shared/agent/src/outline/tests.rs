//! Outlines of one small file a language, and of random ones.

use super::*;
use crate::noise::Noise;

fn names(path: &str, text: &str) -> Vec<String> {
    let language = Language::of(path).expect("a language");
    let outline = outline(language, text);
    let mut names = Vec::new();
    for symbol in outline.symbols {
        names.push(format!(
            "{}{} {}-{}",
            ">".repeat(symbol.depth),
            symbol.name,
            symbol.first,
            symbol.last
        ));
    }
    names
}

#[test]
fn python() {
    let text = "\
LIMIT = 3
TABLE = {
    'a': 1,
}

class A(Base):
    '''def no(): pass'''

    @property
    def one(self,
            other=(1,
    2)):
        def inner():
            pass
        return 1

    async def two(self): pass


def three():
    # class No:
    return [
0]

x == 1
";
    assert_eq!(
        names("a.py", text),
        [
            "LIMIT 1-1",
            "TABLE 2-4",
            "A 6-17",
            ">one 10-15",
            ">two 17-17",
            "three 20-23"
        ]
    );
}

#[test]
fn rust() {
    let text = "\
pub(crate) const A: &str = r#\"fn no() {\"#;
/* struct /* No; */ */
pub struct B<'a> { x: &'a str }
impl<'a> fmt::Display for B<'a> {
    pub async fn c(&self) -> char {
        fn inner() {}
        '{'
    }
}
macro_rules! d { () => {} }
trait E { fn f(&self); }
mod g;
";
    assert_eq!(
        names("a.rs", text),
        [
            "A 1-1", "B 3-3", "B 4-9", ">c 5-8", "d 10-10", "E 11-11", "g 12-12"
        ]
    );
}

#[test]
fn typescript() {
    let text = "\
import x from 'y';
export const limit = /[{]/.test('a');
export default class A extends B {
  #count = 0;
  constructor(private x: number) {
    if (x) { go(`${x} {`); }
  }
  static async load(id: string): Promise<A> {
    return new A(1);
  }
  run = async () => {
    await this.load();
  };
}
interface C { d(): void }
type E = { f: 1 };
export async function* g() {}
const h = () => {
  const inner = 1;
};
";
    assert_eq!(
        names("a.ts", text),
        [
            "limit 2-2",
            "A 3-14",
            ">constructor 5-7",
            ">load 8-10",
            ">run 11-13",
            "C 15-15",
            "E 16-16",
            "g 17-17",
            "h 18-20"
        ]
    );
}

#[test]
fn go() {
    let text = "\
package a
type S struct {
\tX int
}
func (s *S) Run(x int) error {
\treturn fmt.Errorf(`}`)
}
func Free[T any](x T) {}
var Y = 1
";
    assert_eq!(
        names("a.go", text),
        ["S 2-4", "Run 5-7", "Free 8-8", "Y 9-9"]
    );
}

#[test]
fn java() {
    let text = "\
package a;
@Foo(\"x\") public final class A<T> extends B {
    private final Map<String, List<T>> x = new HashMap<>();
    public A(int y) {
        super(y);
        call(y);
    }
    @Override
    public <U> List<U> list(U u) throws E {
        if (u == null) { return null; }
        return new ArrayList<>();
    }
    interface C { void d(); }
    record R(int a) {}
}
";
    assert_eq!(
        names("A.java", text),
        ["A 2-15", ">A 4-7", ">list 9-12", ">C 13-13", ">R 14-14"]
    );
}

#[test]
fn faults_are_found_where_they_are_certain() {
    for (path, text, line) in [
        ("a.py", "x = (1\ny = 2\n", Some(1)),
        ("a.py", "x = 1)\n", Some(1)),
        ("a.py", "x = 'a\n", Some(1)),
        ("a.py", "\n'''a\n", Some(2)),
        ("a.py", "x = 'a\\\nb'\ny = {\"a\": f\"{x['b']}\"}\n", None),
        ("a.rs", "fn a() {\n  b[0);\n}\n", Some(2)),
        ("a.rs", "fn a<'b>(c: &'b str) -> char { '\\'' }\n", None),
        ("a.rs", "fn r#try() { let b = b'\"'; r\"\\\"; }\n", None),
        ("a.go", "func a() {\n", Some(1)),
        ("A.java", "/* a\n", Some(1)),
        ("a.tsx", "const a = <p>Don't {\n", None),
        ("a.ts", "const a = b / c / (d\n", Some(1)),
        ("a.md", "((((", None),
    ] {
        assert_eq!(
            fault(path, text).map(|fault| fault.line),
            line,
            "{path} {text}"
        );
    }
}

#[test]
fn any_text_has_an_outline_inside_of_it() {
    let parts = [
        "class A",
        "def b",
        "fn c",
        "func d",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "'",
        "\"",
        "\"\"\"",
        "'''",
        "`",
        "${",
        "\n",
        "\n\n",
        "\r\n",
        "    ",
        "\t",
        "//",
        "/*",
        "*/",
        "#",
        "\\",
        "r#\"",
        "é",
        "\u{1F600}",
        "=",
        ":",
        ";",
        "impl",
        " for ",
        "pub(",
        "@",
        "=>",
        "x",
        " ",
        "type ",
        "/",
        "<",
    ];
    let mut noise = Noise::new(3);
    for _ in 0..6_000 {
        let text = noise.text(&parts, 40);
        for path in ["a.py", "a.rs", "a.ts", "a.go", "A.java"] {
            let language = Language::of(path).expect("a language");
            let masked = mask(language, &text);
            assert_eq!(masked.bytes.len(), text.len(), "{path} {text:?}");
            let lines = text.split('\n').count();
            for symbol in of_masked(language, &masked).symbols {
                assert!(
                    symbol.first <= symbol.last && symbol.last <= lines,
                    "{path} {text:?}"
                );
            }
            let _ = render(&text, &outline(language, &text), 5);
        }
    }
}
