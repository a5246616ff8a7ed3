//! Help: every command has one, with an example that the program understands.

use super::Place;
use marketsink::cli;

/// Every command with the words that call it, groups included.
fn every_command() -> Vec<(Vec<String>, clap::Command)> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), cli::commands())];
    while let Some((words, command)) = open.pop() {
        for inner in command.get_subcommands() {
            let mut words: Vec<String> = words.clone();
            words.push(inner.get_name().to_owned());
            open.push((words, inner.clone()));
        }
        found.push((words, command));
    }
    found
}

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::new();

    let commands = every_command();

    assert!(commands.len() > 30, "{}", commands.len());
    for (words, _) in commands {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let answer = place.run(&args).works();
        let example = format!("marketsink {}", words.join(" "));
        let (_, examples) = answer
            .out
            .split_once("Examples:\n")
            .unwrap_or_else(|| panic!("`{example}` has no example"));
        let names_itself = examples.lines().any(|line| {
            let line = line.trim();
            line.starts_with(example.trim()) || line.starts_with("marketsink help")
        });
        assert!(names_itself, "{example}: {examples}");
    }
}

#[test]
fn every_option_and_command_says_what_it_is_for() {
    for (words, command) in every_command() {
        let about = command.get_about().map(ToString::to_string);
        assert!(about.is_some_and(|about| about.len() > 10), "{words:?}");
        for option in command
            .get_opts()
            .filter(|option| option.get_id() != "marketplace")
        {
            // What a name and its value say already needs no sentence.
            let is_plain = ["sku", "name"].contains(&option.get_id().as_str());
            assert!(
                is_plain || option.get_help().is_some(),
                "{words:?} {}",
                option.get_id()
            );
        }
    }
}

#[test]
fn the_help_documents_the_exit_codes_and_a_wrong_call_has_its_own() {
    let place = Place::new();

    let help = place.run(&["--help"]).works();
    let wrong = place.run(&["scan", "one"]);

    assert!(help.out.contains("Exit codes:"), "{}", help.out);
    assert_eq!(wrong.code, 2);
}
