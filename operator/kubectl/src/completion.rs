//! `kubectl vaultbind completion`: scripts for shells, and what kubectl asks when it completes
//! `kubectl vaultbind` itself, names of bindings too.

use std::time::Duration;

use clap::{
    Arg, ArgAction, Args as ClapArgs, Command, CommandFactory as _, Parser as _, ValueEnum,
};
use kube::Api;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use vaultbind_crds::VaultBinding;

use crate::args::{Args, ClusterArgs};
use crate::cluster::Cluster;

/// Name of the program.
const PROGRAM: &str = "kubectl-vaultbind";

/// How long somebody who presses a key waits for names.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most names that are told.
const MOST: u32 = 500;

/// For which shell.
#[derive(Debug, ClapArgs)]
pub struct CompletionArgs {
    /// The shell; kubectl is the script kubectl_complete-vaultbind, which kubectl looks for in PATH
    pub shell: Shell,
}

/// For what completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    PowerShell,
    /// kubectl's own completion, in any shell
    Kubectl,
}

/// What kubectl calls, see
/// <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>.
const FOR_KUBECTL: &str = "#!/bin/sh\nexec kubectl-vaultbind __complete \"$@\"\n";

/// The script.
pub fn script(args: &CompletionArgs) -> String {
    use clap_complete::Shell as Known;
    let shell = match args.shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
        Shell::PowerShell => Known::PowerShell,
        Shell::Kubectl => return FOR_KUBECTL.to_owned(),
    };
    let mut script = Vec::new();
    let mut command = Args::command().bin_name(PROGRAM);
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The words of a command line that is not finished; the last one is the one to be completed.
#[derive(Debug, ClapArgs)]
pub struct CompleteArgs {
    /// The words
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// What may come for the last word.
#[derive(Debug, Default, PartialEq, Eq)]
struct Candidates {
    /// Each with a word on what it is, which may be empty.
    words: Vec<(String, String)>,
    /// Whether names of bindings may, too.
    bindings: bool,
    /// Whether files may, too.
    files: bool,
}

/// The answer to kubectl, in the form that cobra has for it: a candidate on each line, and last what the
/// shell shall do beside.
pub async fn complete(args: &CompleteArgs) -> String {
    let (last, before) = match args.words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", [].as_slice()),
    };
    let found = candidates(before, last);
    let mut words = found.words;
    if found.bindings {
        let names = tokio::time::timeout(PATIENCE, names(before)).await;
        words.extend(
            names
                .into_iter()
                .flatten()
                .map(|name| (name, String::new())),
        );
    }
    let mut answer = String::new();
    for (word, about) in words.iter().filter(|(word, _)| word.starts_with(last)) {
        answer.push_str(word);
        if !about.is_empty() {
            answer.push('\t');
            answer.push_str(about);
        }
        answer.push('\n');
    }
    // https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective: 4 is no files, 0 files as usual.
    answer + if found.files { ":0\n" } else { ":4\n" }
}

fn candidates(before: &[String], last: &str) -> Candidates {
    let mut root = Args::command();
    root.build();
    let command = before.iter().find_map(|word| root.find_subcommand(word));
    let Some(command) = command else {
        let commands = root
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        return Candidates {
            words: commands
                .map(|command| told(command.get_name(), command.get_about()))
                .collect(),
            ..Candidates::default()
        };
    };
    if let Some(flag) = before.last().and_then(|word| flag(command, word))
        && flag.get_action().takes_values()
    {
        return values(flag);
    }
    if last.starts_with('-') {
        let flags = command.get_arguments().filter(|flag| !flag.is_hide_set());
        let long = flags
            .filter_map(|flag| Some(told(&format!("--{}", flag.get_long()?), flag.get_help())));
        return Candidates {
            words: long.collect(),
            ..Candidates::default()
        };
    }
    match command.get_positionals().next() {
        Some(positional) => values(positional),
        None => Candidates::default(),
    }
}

/// What an argument may be.
fn values(argument: &Arg) -> Candidates {
    let possible = argument.get_possible_values();
    let name = argument.get_value_names().and_then(|names| names.first());
    let name = name.map(clap::builder::Str::as_str);
    Candidates {
        words: possible
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| told(value.get_name(), value.get_help()))
            .collect(),
        bindings: argument.is_positional() && name == Some("NAME"),
        files: name == Some("FILE"),
    }
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').filter(|word| word.len() == 1);
    command.get_arguments().find(|argument| {
        long.is_some() && argument.get_long() == long
            || short.is_some() && argument.get_short() == short.and_then(|word| word.chars().next())
    })
}

fn told(word: &str, about: Option<&clap::builder::StyledStr>) -> (String, String) {
    (
        word.to_owned(),
        about.map(ToString::to_string).unwrap_or_default(),
    )
}

/// The flags that say which cluster, whatever else is on the command line.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Where {
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Names of the bindings of the namespace; none if they cannot be had.
async fn names(before: &[String]) -> Vec<String> {
    let Ok(place) = Where::try_parse_from(of_cluster(before)) else {
        return Vec::new();
    };
    let Ok(cluster) = Cluster::connect(&place.cluster).await else {
        return Vec::new();
    };
    let api: Api<VaultBinding> = cluster.api(Some(cluster.namespace()));
    let listed = api.list_metadata(&ListParams::default().limit(MOST)).await;
    let items = listed.map(|listed| listed.items).unwrap_or_default();
    let name = |object: PartialObjectMeta<VaultBinding>| object.metadata.name;
    items.into_iter().filter_map(name).collect()
}

/// The words that are flags of the cluster, with their values.
fn of_cluster(words: &[String]) -> Vec<String> {
    let command = Where::command();
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or_default();
        let Some(flag) = flag(&command, name) else {
            continue;
        };
        kept.push(word.clone());
        let takes = matches!(flag.get_action(), ArgAction::Set | ArgAction::Append);
        if takes && !word.contains('=') {
            kept.extend(words.next().cloned());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[&str], last: &str) -> Candidates {
        let before: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        candidates(&before, last)
    }

    fn words(candidates: &Candidates) -> Vec<&str> {
        candidates
            .words
            .iter()
            .map(|(word, _)| word.as_str())
            .collect()
    }

    #[test]
    fn commands_flags_values_names_and_files_are_completed() {
        let commands = of(&[], "");
        assert!(words(&commands).contains(&"status") && !words(&commands).contains(&"__complete"));
        let flags = of(&["status"], "--");
        assert!(words(&flags).contains(&"--namespace") && words(&flags).contains(&"--color"));
        assert_eq!(
            words(&of(&["status", "-o"], "")),
            ["table", "wide", "json", "yaml"]
        );
        assert_eq!(
            words(&of(&["status", "--output"], "j")),
            ["table", "wide", "json", "yaml"]
        );
        assert!(of(&["status", "-n", "payments"], "").bindings);
        assert!(of(&["plan"], "").bindings && !of(&["plan", "-n"], "").bindings);
        assert!(of(&["render", "-f"], "").files);
        assert_eq!(
            words(&of(&["gc", "--cloud"], "")),
            ["AzurePublic", "AzureUSGovernment", "AzureChina"]
        );
        let removing = of(&["gc"], "--");
        assert!(words(&removing).contains(&"--delete") && !of(&["gc"], "").bindings);
        assert!(words(&of(&["completion"], "")).contains(&"kubectl"));
    }

    #[test]
    fn only_the_flags_of_the_cluster_are_read() {
        let words = [
            "status",
            "-o",
            "json",
            "-n",
            "payments",
            "--context=desk",
            "db",
        ];
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(of_cluster(&words), ["-n", "payments", "--context=desk"]);
        let place = Where::try_parse_from(of_cluster(&words)).unwrap().cluster;
        assert_eq!(place.namespace.as_deref(), Some("payments"));
    }

    #[tokio::test]
    async fn the_answer_is_what_cobra_reads() {
        let words = ["completion", "k"].map(str::to_owned).to_vec();
        let answer = complete(&CompleteArgs { words }).await;
        assert_eq!(
            answer,
            "kubectl\tkubectl's own completion, in any shell\n:4\n"
        );
    }

    #[test]
    fn every_shell_has_a_script() {
        for shell in Shell::value_variants() {
            let script = script(&CompletionArgs { shell: *shell });
            assert!(script.contains(PROGRAM), "{shell:?}");
        }
    }
}
