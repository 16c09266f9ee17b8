//! Whole playbooks in, whole screens or plays out.

use super::keyword::Keyword;
use super::{Block, Item, Loader, NoTemplates, Playbook, Task};
use crate::error::{Diagnostics, Result};
use crate::load::Reader;
use crate::yaml::Node;
use std::path::Path;
use std::sync::Arc;

/// Files of a test, in a folder that ends with it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn loader(&self) -> (Loader, Arc<Reader>) {
        let reader = Arc::new(Reader::default());
        (Loader::new(Arc::clone(&reader), Vec::new(), Box::new(NoTemplates)), reader)
    }

    fn playbook(&self) -> Result<Playbook> {
        self.loader().0.playbook(&self.0.path().join("site.yml"))
    }

    /// What the user sees, without the path of the folder.
    fn screen(&self) -> String {
        let (loader, reader) = self.loader();
        let mut found = loader.playbook(&self.0.path().join("site.yml")).err().unwrap_or_default();
        let mut all = reader.take_warnings();
        all.append(std::mem::take(&mut found));
        self.shown(&all)
    }

    fn shown(&self, found: &Diagnostics) -> String {
        let path = format!("{}/", self.0.path().display());
        found.render(false).replace(&path, "")
    }
}

fn screen(site: &str) -> String {
    Folder::new(&[("site.yml", site)]).screen()
}

/// A play over tasks that are indented by four columns.
fn tasks_screen(tasks: &str) -> String {
    screen(&format!("- hosts: all\n  tasks:\n{tasks}"))
}

fn play(files: &[(&str, &str)]) -> Playbook {
    let folder = Folder::new(files);
    folder.playbook().unwrap_or_else(|mistakes| panic!("{}", folder.shown(&mistakes)))
}

/// One line for each task: its depth in blocks, module and name.
fn outline(items: &[Item], depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    items
        .iter()
        .flat_map(|item| match item {
            Item::Task(task) => vec![format!("{indent}{}", line(task))],
            Item::Block(block) => block_outline(block, depth),
        })
        .collect()
}

fn block_outline(block: &Block, depth: usize) -> Vec<String> {
    let mut lines = vec![format!("{}{:?}", "  ".repeat(depth), block.scope.kind)];
    lines.extend(outline(&block.body, depth + 1));
    lines.extend(outline(&block.rescue, depth + 1).into_iter().map(|line| format!("{line} (rescue)")));
    lines.extend(outline(&block.always, depth + 1).into_iter().map(|line| format!("{line} (always)")));
    lines
}

fn line(task: &Task) -> String {
    let name = task.name().and_then(Node::as_str).unwrap_or("-");
    format!("{} {name} {:?}", task.module.bare(), task.args.named)
}

#[test]
fn blocks_imports_and_roles_become_one_tree() {
    let playbook = play(&[
        (
            "site.yml",
            "- import_playbook: more.yml\n  tags: imported\n\
             - hosts: web\n  roles:\n    - {role: app, listen_on: 80, tags: [app]}\n  tasks:\n    - block:\n        - ping:\n      \
             rescue:\n        - debug: msg=failed\n    - import_tasks: more/tasks.yml\n      when: x\n  handlers:\n    - \
             name: restart\n      service: name=x state=restarted\n",
        ),
        ("more.yml", "- hosts: db\n  tasks: [{ping: null}]\n"),
        ("more/tasks.yml", "- import_tasks: deeper.yml\n  when: y\n"),
        ("more/deeper.yml", "- name: deep\n  ping:\n  when: [z]\n"),
        ("roles/app/tasks/main.yml", "- name: app\n  ping:\n  notify: reload\n"),
        ("roles/app/handlers/main.yaml", "- name: reload\n  ping:\n"),
        ("roles/app/meta/main.yml", "dependencies: [base]\n"),
        ("roles/app/defaults/main.yml", "port: 8080\n"),
        ("roles/base/tasks/main.yml", "- name: base\n  ping:\n"),
    ]);
    let [imported, own] = playbook.plays.as_slice() else { panic!("two plays") };
    let task = imported.tasks[0].tasks()[0];
    assert_eq!(format!("{:?}", task.scope.each(Keyword::Tags)), r#"["imported"]"#);

    let roles: Vec<String> = own.roles.iter().flat_map(|block| block_outline(block, 0)).collect();
    assert_eq!(roles, ["Role", "  ping base {}", "Role", "  ping app {}"]);
    let app = own.roles[1].tasks()[0].role().unwrap();
    assert_eq!(format!("{:?} {:?}", app.params, app.defaults), r#"{"listen_on": 80} {"port": 8080}"#);
    let base = own.roles[0].tasks()[0];
    assert_eq!(base.role().unwrap().pulled_in_by[0].name, "app");
    assert_eq!(format!("{:?}", base.scope.each(Keyword::Tags)), r#"["app"]"#);

    assert_eq!(
        outline(&own.tasks, 0),
        [
            "Block",
            "  ping - {}",
            "  debug - {\"msg\": \"failed\"} (rescue)",
            "Import",
            "  Import",
            "    ping deep {}",
        ]
    );
    let deep = own.tasks[1].tasks()[0];
    assert_eq!(format!("{:?}", deep.scope.each(Keyword::When)), r#"["x", "y", "z"]"#);
    let handlers: Vec<String> = own.handlers.iter().map(|handler| line(handler)).collect();
    assert_eq!(handlers, ["ping reload {}", "service restart {\"name\": \"x\", \"state\": \"restarted\"}"]);
}

#[test]
fn an_include_passes_on_its_variables_but_not_its_conditions() {
    let folder = Folder::new(&[
        (
            "site.yml",
            "- hosts: all\n  become: true\n  tasks:\n    - include_tasks:\n        file: more.yml\n        apply: {tags: [x]}\n      \
             when: a\n      vars: {v: 1}\n",
        ),
        ("more.yml", "- ping:\n  when: b\n"),
    ]);
    let playbook = folder.playbook().unwrap();
    let include = playbook.plays[0].tasks[0].tasks()[0];
    let items = folder.loader().0.tasks_file(&folder.0.path().join("more.yml"), include).unwrap();
    let scope = &items[0].tasks()[0].scope;
    assert_eq!(format!("{:?}", scope.each(Keyword::When)), r#"["b"]"#);
    assert_eq!(format!("{:?}", scope.each(Keyword::Tags)), r#"["x"]"#);
    assert_eq!(format!("{:?}", scope.nearest(Keyword::Become)), "Some(true)");
    assert_eq!(format!("{:?}", scope.vars()), r#"[{"v": 1}]"#);
}

#[test]
fn a_misspelt_keyword_is_named_with_the_right_one() {
    insta::assert_snapshot!(tasks_screen("    - name: config\n      file: path=/x\n      notfiy: restart\n"));
}

#[test]
fn arguments_beside_the_module_are_to_be_indented() {
    insta::assert_snapshot!(tasks_screen(
        "    - name: dir\n      file:\n      path: /x\n      state: directory\n"
    ));
}

#[test]
fn a_keyword_among_the_arguments_belongs_to_the_left() {
    insta::assert_snapshot!(tasks_screen("    - file:\n        path: /x\n        when: a == 1\n"));
}

#[test]
fn an_unknown_module_is_named_with_the_nearest() {
    insta::assert_snapshot!(tasks_screen(
        "    - firewaldd:\n        port: 80/tcp\n    - company.x.copy: src=a\n"
    ));
}

#[test]
fn wrong_arguments_and_values_are_all_found() {
    insta::assert_snapshot!(tasks_screen(
        "    - file:\n        pth: /x\n        mod: 0644\n    - service:\n        name: x\n        state: runing\n        \
         enabled: maybe\n    - copy:\n        dest: '{{ somewhere }}'\n        content: '{{ x }}'\n        mode: '{{ y }}'\n    \
         - debug: hello\n    - meta: flush_handler\n    - file: {path: /x, mode: 644}\n"
    ));
}

#[test]
fn an_unknown_handler_is_named_with_the_nearest() {
    insta::assert_snapshot!(screen(
        "- hosts: all\n  tasks:\n    - ping:\n      notify: Restart chronny\n  handlers:\n    - name: Restart chrony\n      ping:\n"
    ));
}

#[test]
fn broken_templates_and_conditions_show_their_place() {
    insta::assert_snapshot!(tasks_screen(
        "    - debug:\n        msg: \"{{ x | default('a' }}\"\n      when: a = 'b'\n    - shell: |\n        echo one\n        \
         echo {{ two\n"
    ));
}

#[test]
fn a_missing_file_shows_where_it_was_looked_for() {
    insta::assert_snapshot!(
        Folder::new(&[
            (
                "site.yml",
                "- hosts: all\n  roles: [app]\n  tasks:\n    - copy: {src: authkeyy, dest: /x}\n    - copy: {src: authkey, dest: /x}\n"
            ),
            ("files/authkey", ""),
            ("roles/app/tasks/main.yml", "- template: {src: app.conf, dest: /x}\n- import_tasks: mian.yml\n"),
        ])
        .screen()
    );
}

#[test]
fn a_missing_role_shows_where_it_was_looked_for() {
    insta::assert_snapshot!(
        Folder::new(&[
            ("site.yml", "- hosts: all\n  roles:\n    - wbe\n    - {role: web, taggs: x}\n"),
            ("roles/web/tasks/main.yml", "- ping:\n"),
        ])
        .screen()
    );
}

#[test]
fn roles_and_imports_that_go_round_in_circles_are_refused() {
    insta::assert_snapshot!(
        Folder::new(&[
            ("site.yml", "- hosts: all\n  roles: [a]\n"),
            ("roles/a/meta/main.yml", "dependencies: [b]\n"),
            ("roles/b/meta/main.yml", "dependencies: [{role: a}]\n"),
        ])
        .screen()
    );
    let round = Folder::new(&[
        ("site.yml", "- hosts: all\n  tasks:\n    - import_tasks: t.yml\n"),
        ("t.yml", "- import_tasks: t.yml\n"),
    ]);
    assert!(round.screen().starts_with("error: imports go round in circles"));
}

#[test]
fn plays_that_are_none_say_what_is_missing() {
    insta::assert_snapshot!(screen(
        "- tasks: []\n- hosts: all\n  task:\n    - ping:\n- copy: src=a\n- hosts: all\n  tasks:\n    ping:\n- hosts: all\n  become: \
         perhaps\n  vars: [1]\n"
    ));
    insta::assert_snapshot!(screen("hosts: all\ntasks: []\n"));
}

#[test]
fn two_modules_and_two_loops_are_refused() {
    insta::assert_snapshot!(tasks_screen(
        "    - ping:\n      debug:\n    - ping:\n      loop: [1]\n      with_itms: [2]\n    - ping:\n      loop: [1]\n      with_items: \
         [2]\n    - name: nothing\n"
    ));
}

#[test]
fn a_task_that_may_fail_is_left_alone() {
    assert_eq!(
        tasks_screen(
            "    - file: {pth: /x}\n      ignore_errors: true\n    - block:\n        - copy: {src: nothing, dest: /x}\n      rescue:\n        \
             - ping:\n    - debug: msg={{ x | nofilter }}\n      failed_when: false\n"
        ),
        ""
    );
}

#[test]
fn an_action_may_be_written_in_its_old_forms() {
    let playbook = play(&[(
        "site.yml",
        "- hosts: all\n  tasks:\n    - action: copy src={{ x }} dest=/y\n    - local_action: command echo 'a b' chdir=/x\n    - action: \
         {module: debug, msg: hi}\n    - shell: echo hi\n      args: {chdir: /z}\n    - debug:\n      args: '{{ options }}'\n",
    )]);
    let tasks: Vec<&Arc<Task>> = playbook.plays[0].tasks.iter().flat_map(Item::tasks).collect();
    let shown: Vec<String> = tasks
        .iter()
        .map(|task| {
            let args = &task.args;
            format!("{} {:?} {:?} {:?}", task.module.bare(), args.named, args.free_form, args.template)
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"copy {"src": "{{ x }}", "dest": "/y"} None None"#,
            r#"command {"chdir": "/x"} Some("echo 'a b'") None"#,
            r#"debug {"msg": "hi"} None None"#,
            r#"shell {"chdir": "/z"} Some("echo hi") None"#,
            r#"debug {} None Some("{{ options }}")"#,
        ]
    );
    assert_eq!(format!("{:?}", tasks[1].keyword(Keyword::DelegateTo)), r#"Some("localhost")"#);
}

#[test]
fn a_playbook_that_is_not_there_is_an_error() {
    let folder = Folder::new(&[]);
    let mistakes = folder.loader().0.playbook(Path::new("nothing.yml")).unwrap_err();
    assert_eq!(mistakes.to_string(), "there is no playbook `nothing.yml`");
}
