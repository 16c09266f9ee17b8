//! `--list-hosts`, `--list-tasks`, `--list-tags` and `--syntax-check`, in the words of ansible-playbook.

use super::basis::Basis;
use crate::args::PlaybookArgs;
use crate::error::Result;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Play, Playbook, Task};
use crate::run::conduct::display_name;
use crate::run::play_info::written_name;
use crate::run::tags::{TagFilter, tags_of};
use crate::yaml::Node;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether something is to be listed, and nothing done.
pub(super) fn is_asked(args: &PlaybookArgs) -> bool {
    args.list_hosts || args.list_tasks || args.list_tags || args.syntax_check
}

/// Prints what is asked for.
pub(super) fn print(
    args: &PlaybookArgs,
    playbooks: &[Playbook],
    basis: &Basis,
    tags: &TagFilter,
) -> Result<()> {
    for playbook in playbooks {
        println!("\nplaybook: {}", playbook.path.display());
        if args.syntax_check {
            continue;
        }
        for (play, number) in playbook.plays.iter().zip(1..) {
            print_play(args, play, number, basis, tags)?;
        }
    }
    Ok(())
}

fn print_play(
    args: &PlaybookArgs,
    play: &Play,
    number: usize,
    basis: &Basis,
    filter: &TagFilter,
) -> Result<()> {
    let patterns: Vec<String> =
        play.hosts.one_or_many().iter().filter_map(Node::scalar_text).map(|text| text.into_owned()).collect();
    let own = own_tags(play);
    let own_list: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut text = format!(
        "\n  play #{number} ({}): {}\tTAGS: [{}]",
        patterns.join(","),
        written_name(play),
        own_list.join(",")
    );
    if args.list_hosts {
        let hosts = basis.select(&patterns.join(","))?;
        let shown: Vec<String> = patterns.iter().map(|pattern| format!("'{pattern}'")).collect();
        text += &format!("\n    pattern: [{}]\n    hosts ({}):", shown.join(", "), hosts.len());
        for host in hosts {
            text += &format!("\n      {host}");
        }
    }
    println!("{text}");
    if args.list_tasks || args.list_tags {
        println!("{}", tasks(args, play, &own, filter));
    }
    Ok(())
}

fn tasks(args: &PlaybookArgs, play: &Play, own: &BTreeSet<String>, filter: &TagFilter) -> String {
    let mut text = if args.list_tasks { "    tasks:\n".to_owned() } else { String::new() };
    let mut all = own.clone();
    for task in all_tasks(play) {
        let tags = tags_of(&task);
        if !filter.selects(&tags) {
            continue;
        }
        if args.list_tasks {
            let shown: Vec<&str> = tags.iter().map(String::as_str).collect();
            text += &format!("      {}\tTAGS: [{}]\n", display_name(&task, None), shown.join(", "));
        }
        all.extend(tags);
    }
    if args.list_tags {
        let shown: Vec<&str> = all.iter().map(String::as_str).collect();
        text += &format!("      TASK TAGS: [{}]\n", shown.join(", "));
    }
    text
}

fn all_tasks(play: &Play) -> Vec<Arc<Task>> {
    let of = |items: &[crate::playbook::Item]| -> Vec<Arc<Task>> {
        items.iter().flat_map(|item| item.tasks().into_iter().cloned().collect::<Vec<_>>()).collect()
    };
    let mut tasks = of(&play.pre_tasks);
    tasks.extend(play.roles.iter().flat_map(|block| block.tasks().into_iter().cloned().collect::<Vec<_>>()));
    tasks.extend(of(&play.tasks));
    tasks.extend(of(&play.post_tasks));
    tasks
}

fn own_tags(play: &Play) -> BTreeSet<String> {
    let tags = play.scope.keywords.get(Keyword::Tags).map(Node::one_or_many).unwrap_or_default();
    let texts = tags.iter().filter_map(Node::scalar_text);
    texts.flat_map(|text| text.split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<_>>()).collect()
}
