//! The five repositories.

use crate::world::{World, text};

fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// Three authors, one line of history: a fault and its fix, a fix named by id, a lock file, a test.
pub fn linear() -> World {
    let mut world = World::new();
    let (a, b) = (text(1, 20), text(30, 40));
    world.write("src/a.rs", &a).write("README.md", "words\n").write("Cargo.lock", "one 1\ntwo 1\n");
    world.commit("root", "ann", "first");
    world.later(3).write("src/b.rs", &b).write("tests/b.rs", "check(1);\n");
    world.commit("second", "bob", "second: b with a test");
    let a = with(&a, "let value_5 = 5;", "let value_5 = 50;\nlet other = 6;");
    world.later(10).write("src/a.rs", &a).write("Cargo.lock", "one 2\ntwo 1\n");
    world.commit("fault", "bob", "faster\n\nand more words");
    let a = with(&a, "let value_9 = 9;", "let value_9 = 90;");
    world.later(5).write("src/a.rs", &a).write("web/x.js", "x();\n");
    world.commit("other", "cid", "a page");
    let a = with(&a, "let value_5 = 50;\n", "let value_5 = 5;\n");
    world.later(7).write("src/a.rs", &a).write("tests/b.rs", "check(2);\n");
    world.commit("fix", "ann", "fix the value");
    let named = format!("nicer\n\nFixes: {} (\"a page\")", &world.ids["other"].to_string()[..12]);
    world.later(400).write("web/x.js", "x();\ny();\n");
    world.commit("named", "ann", &named);
    world.later(1).write("README.md", "other words\n");
    world.commit("typo", "ann", "fix typo");
    world.later(1).remove("web/x.js");
    world.commit("gone", "cid", "without the page");
    world
}

/// Branches that meet: without a conflict, with one, three at once; faults written on branches and fixed after.
pub fn branches() -> World {
    let mut world = World::new();
    let a = text(1, 30);
    world.write("lib/a.rs", &a).write("lib/c.rs", text(50, 60)).write("lib/old.rs", text(90, 99));
    world.commit("root", "ann", "first");
    world.branch("left", "main");
    let left = with(&a, "let value_3 = 3;", "let value_3 = 33;");
    world.write("lib/a.rs", &left).write("lib/left.rs", text(70, 75));
    world.commit("left1", "bob", "left");
    world.on("main");
    let main = with(&a, "let value_25 = 25;", "let value_25 = 2500;");
    world.later(1).write("lib/a.rs", &main).remove("lib/old.rs");
    world.commit("main1", "ann", "main");
    world.merge("clean", &["left"], &[]);
    let both = with(&main, "let value_3 = 3;", "let value_3 = 33;");
    world.branch("right", "main");
    let right = with(&both, "let value_10 = 10;", "let value_10 = 1000;\nlet right = 1;");
    world.later(1).write("lib/a.rs", &right).write("lib/c.rs", with(&text(50, 60), "let value_55 = 55;", "let value_55 = 5;"));
    world.commit("right1", "cid", "right");
    world.on("main");
    let main = with(&both, "let value_10 = 10;", "let value_10 = 2000;");
    let main = with(&main, "let value_30 = 30;\n", "");
    world.later(1).write("lib/a.rs", &main);
    world.commit("main2", "ann", "main again");
    let evil = with(&main, "let value_10 = 2000;", "let value_10 = 3000;\nlet right = 1;");
    let evil = with(&evil, "let value_20 = 20;\n", "");
    world.merge("conflict", &["right"], &[("lib/a.rs", &evil)]);
    let one = with(&evil, "let value_1 = 1;", "let value_1 = 11;");
    let last = with(&evil, "let value_28 = 28;", "let value_28 = 88;");
    world.branch("one", "main");
    world.write("lib/a.rs", &one);
    world.commit("one1", "bob", "one");
    world.branch("two", "main");
    world.later(1).write("lib/a.rs", &last).write("lib/two.rs", text(80, 85));
    world.commit("two1", "cid", "two");
    world.branch("three", "main");
    world.write("lib/three.rs", text(86, 89));
    world.commit("three1", "cid", "three");
    world.on("main");
    world.write("lib/c.rs", text(50, 59));
    world.commit("main3", "ann", "fix c after the merge");
    world.merge("octopus", &["one", "two", "three"], &[]);
    let whole = with(&one, "let value_28 = 28;", "let value_28 = 88;");
    let fixed = ["value_1 = 11", "value_3 = 33", "value_25 = 2500", "value_28 = 88", "value_10 = 3000", "right = 1", "value_15 = 15"];
    let fixed = fixed.iter().fold(whole, |text, line| with(&text, line, &format!("{line}_0")));
    world.later(2).write("lib/a.rs", &fixed).remove("lib/left.rs");
    world.commit("fix", "ann", "fix everything");
    world
}

/// Files under other names: alone, with another content, on one branch while the other goes on, two that change places.
pub fn renames() -> World {
    let mut world = World::new();
    let a = text(1, 20);
    world.write("src/a.rs", &a).write("src/x.rs", text(100, 120)).write("src/y.rs", text(200, 230));
    world.commit("root", "ann", "first");
    world.later(1).rename("src/a.rs", "src/deep/b.rs");
    world.commit("moved", "bob", "elsewhere");
    let b = with(&a, "let value_2 = 2;", "let value_2 = 22;");
    world.later(1).rename("src/deep/b.rs", "src/c.rs").write("src/c.rs", &b);
    world.commit("again", "cid", "elsewhere and other");
    world.branch("side", "main");
    let side = with(&b, "let value_7 = 7;", "let value_7 = 77;");
    world.later(1).write("src/c.rs", &side);
    world.commit("side1", "bob", "side");
    world.on("main");
    let main = with(&b, "let value_15 = 15;", "let value_15 = 1515;");
    world.rename("src/c.rs", "src/d.rs").write("src/d.rs", &main);
    world.commit("main1", "ann", "main");
    world.merge("met", &["side"], &[]);
    let d = with(&main, "let value_7 = 7;", "let value_7 = 77;");
    world.later(1).rename("src/x.rs", "src/z.rs").rename("src/y.rs", "src/x.rs").rename("src/z.rs", "src/y.rs");
    world.commit("swap", "cid", "places changed");
    world.write("src/a.rs", text(300, 310));
    world.commit("anew", "cid", "the old name again");
    let fixed = ["value_2 = 22", "value_7 = 77", "value_15 = 1515", "value_20 = 20"];
    let fixed = fixed.iter().fold(d, |text, line| with(&text, line, &format!("{line}_0")));
    world.later(3).write("src/d.rs", fixed).write("src/a.rs", text(301, 310));
    world.write("src/x.rs", with(&text(200, 230), "let value_210 = 210;", "let value_210 = 0;"));
    world.commit("fix", "ann", "fix lines under any name");
    world
}

/// What must not count: comments, blanks, spaces, lines that move; a mass change, a tangled fix.
pub fn noise() -> World {
    let mut world = World::new();
    let a = "// says a\nfn a() {\n    first_call(1);\n\n    second_call(2);\n    third_call(3);\n}\n";
    world.write("src/a.rs", a).write("src/p.py", "# says p\nfirst()\n\nsecond()\n").write("src/q.sql", "-- q\nselect 1;\n");
    world.commit("root", "ann", "first");
    let spaced = "// says a\nfn a() {\n        first_call(1);\n\n\tsecond_call( 2 );\n    third_call(3);\n}\n";
    world.later(1).write("src/a.rs", spaced);
    world.commit("spaces", "bob", "other spaces");
    let moved = "// says a\nfn a() {\n\tsecond_call( 2 );\n    third_call(3);\n        first_call(1);\n}\n";
    world.later(1).write("src/a.rs", moved);
    world.commit("moves", "cid", "another order");
    world.later(1);
    for file in 0..120 {
        world.write(format!("gen/f{file}.rs"), text(file, file + 3));
    }
    world.commit("mass", "cid", "import");
    for file in 0..25 {
        world.write(format!("gen/f{file}.rs"), text(file, file + 4));
    }
    world.write("src/p.py", "# says p\nfirst(1)\n\nsecond()\n");
    world.commit("tangled", "ann", "fix everywhere");
    world.later(1).write("src/a.rs", moved.replace("// says a", "// says b").replace("fn a() {\n", "fn a() {\n\n"));
    world.write("src/p.py", "# says more\nfirst(1)\nsecond()\n").write("src/q.sql", "-- r\nselect 1;\n");
    world.commit("comments", "bob", "fix comments");
    world.write("gen/f100.rs", text(101, 103));
    world.commit("of_mass", "bob", "fix what was imported");
    let last = moved.replace("// says a", "// says b").replace("fn a() {\n", "fn a() {\n\n").replace("first_call(1)", "first_call(0)");
    world.later(1).write("src/a.rs", last.replace("second_call( 2 )", "second_call(0)"));
    world.commit("fix", "ann", "fix calls");
    world
}

/// Ends of lines, binaries, links, modules, odd paths.
pub fn odd() -> World {
    let mut world = World::new();
    world.write("crlf.rs", "one();\r\ntwo();\r\nthree();\r\n").write("bare.rs", "first();\nlast();").write("picture", b"\0\x01\x02");
    world.write("a b/c\td.rs", "x();\n").write("q\"uote\\.rs", "x();\n").write(b"not-utf8-\xff\xfe.rs", "x();\n");
    world
        .write("new\nline.rs", "x();\n")
        .write("empty.rs", "")
        .write("\u{fc}.rs", "x();\n")
        .write("-p", "x();\n")
        .write("a/b.rs", "x();\n");
    world.commit("root", "ann", "first");
    world.later(1).write("crlf.rs", "one();\ntwo();\r\nTHREE();\r\n").write("bare.rs", "first();\nlast();\n").write("picture", b"\0\x03");
    world.write("a b/c\td.rs", "y();\n").write("q\"uote\\.rs", "y();\n").write(b"not-utf8-\xff\xfe.rs", "y();\n");
    world.write("new\nline.rs", "y();\n").write("\u{fc}.rs", "y();\n").write("-p", "y();\n");
    world.commit("all", "bob", "all of them");
    world.commit("empty", "bob", "nothing at all");
    world.write("long.rs", format!("start();\n{}\nend();\n", "x".repeat(300_000)));
    world.remove("a/b.rs");
    std::fs::remove_dir(world.root().join("a")).unwrap();
    world.write("a", "now a file\n").write("picture", "now text\nof two lines\n");
    world.commit("shapes", "cid", "other shapes");
    std::os::unix::fs::symlink("crlf.rs", world.root().join("link")).unwrap();
    world.git(&["update-index", "--chmod=+x", "bare.rs"]);
    world.commit("link", "cid", "a link, a mode");
    world.remove("link").write("link", "text now\nand more\n");
    let module = format!("160000,{},module", world.ids["root"]);
    world.git(&["update-index", "--add", "--cacheinfo", &module]);
    world.git(&["commit", "-q", "-m", "a module"]);
    world.commit("typed", "cid", "no link any more");
    world.branch("side", "main");
    world.write("bare.rs", "first();\nlast();\nside();");
    world.commit("side1", "bob", "side");
    world.on("main");
    world.write("bare.rs", "main();\nfirst();\nlast();\n").write("crlf.rs", "one();\ntwo();\r\nTHREE();\r\nfour();\r\n");
    world.commit("main1", "ann", "main");
    world.merge("met", &["side"], &[("bare.rs", "main();\nfirst();\nlast();\nside();")]);
    world.later(1).write("crlf.rs", "ONE();\ntwo(2);\r\nthree();\r\nfour();\n").write("bare.rs", "main();\nfirst();\n");
    world.write("picture", "now text\n").write("long.rs", "start();\nend();\n").write("link", "text now\n");
    world.write("a b/c\td.rs", "z();\n").write("q\"uote\\.rs", "z();\n").write(b"not-utf8-\xff\xfe.rs", "z();\n");
    world.write("new\nline.rs", "z();\n").write("\u{fc}.rs", "z();\n").write("-p", "z();\n");
    world.commit("fix", "ann", "fix them all");
    world
}

pub fn all() -> [(&'static str, World); 5] {
    [("linear", linear()), ("branches", branches()), ("renames", renames()), ("noise", noise()), ("odd", odd())]
}
