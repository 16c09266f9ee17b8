//! Every keyword of plays, blocks, tasks, handlers and role entries: where it may stand, what its value must
//! be, and how it passes from the outside in. This table is what an unknown keyword is compared with.

use crate::source::Span;
use crate::suggest;
use crate::yaml::Node;
use std::fmt;

/// Where a keyword may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Play,
    Block,
    Task,
    Handler,
    Role,
    ImportPlaybook,
}

impl Holder {
    const ALL: &'static [Self] =
        &[Self::Play, Self::Block, Self::Task, Self::Handler, Self::Role, Self::ImportPlaybook];

    /// As in "a task has no keyword …".
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Play => "a play",
            Self::Block => "a block",
            Self::Task => "a task",
            Self::Handler => "a handler",
            Self::Role => "a role entry",
            Self::ImportPlaybook => "`import_playbook`",
        }
    }
}

/// What the value of a keyword must be, where it is not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Bool,
    Int,
    Number,
    Text,
    /// A text or a list of texts.
    Texts,
    /// A Jinja expression or a list of them, without braces.
    Conditions,
    List,
    Map,
    /// A mapping or a list of mappings.
    Maps,
    /// True, false, or the terms of a rolling change.
    Rolling,
    Any,
}

/// How the value of an outer play, block or role reaches a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It does not.
    Own,
    /// The innermost one counts.
    Nearest,
    /// All count together.
    Together,
}

macro_rules! keywords {
    ($($variant:ident $name:literal $shape:ident $reach:ident [$($holder:ident)*];)*) => {
        /// A keyword.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Keyword { $($variant,)* }

        impl Keyword {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is written.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What its value must be.
            pub(crate) fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape,)* }
            }

            /// How it passes from the outside in.
            pub(crate) fn reach(self) -> Reach {
                match self { $(Self::$variant => Reach::$reach,)* }
            }

            fn holders(self) -> &'static [Holder] {
                match self { $(Self::$variant => keywords!(@holders $($holder)*),)* }
            }
        }
    };
    (@holders All) => { Holder::ALL };
    (@holders Inside) => { &[Holder::Play, Holder::Block, Holder::Task, Holder::Handler, Holder::Role] };
    (@holders Tasks) => { &[Holder::Task, Holder::Handler] };
    (@holders $($holder:ident)*) => { &[$(Holder::$holder,)*] };
}

keywords! {
    Name "name" Text Own [All];
    Vars "vars" Maps Own [All];
    Tags "tags" Texts Together [All];
    When "when" Conditions Together [Block Task Handler Role ImportPlaybook];
    Environment "environment" Maps Together [Inside];
    ModuleDefaults "module_defaults" Maps Together [Inside];
    Collections "collections" Texts Nearest [Inside];
    Connection "connection" Text Nearest [Inside];
    Port "port" Int Nearest [Inside];
    RemoteUser "remote_user" Text Nearest [Inside];
    Become "become" Bool Nearest [Inside];
    BecomeMethod "become_method" Text Nearest [Inside];
    BecomeUser "become_user" Text Nearest [Inside];
    BecomeFlags "become_flags" Text Nearest [Inside];
    BecomeExe "become_exe" Text Nearest [Inside];
    NoLog "no_log" Bool Nearest [Inside];
    RunOnce "run_once" Bool Nearest [Inside];
    IgnoreErrors "ignore_errors" Bool Nearest [Inside];
    IgnoreUnreachable "ignore_unreachable" Bool Nearest [Inside];
    CheckMode "check_mode" Bool Nearest [Inside];
    Diff "diff" Bool Nearest [Inside];
    AnyErrorsFatal "any_errors_fatal" Bool Nearest [Inside];
    Throttle "throttle" Int Nearest [Inside];
    Rolling "rolling" Rolling Nearest [Play Block Task Handler];
    Timeout "timeout" Int Nearest [Inside];
    Debugger "debugger" Text Nearest [Inside];
    DelegateTo "delegate_to" Text Nearest [Block Task Handler Role];
    DelegateFacts "delegate_facts" Bool Nearest [Block Task Handler Role];
    Notify "notify" Texts Nearest [Block Task Handler];
    Block "block" List Own [Block];
    Rescue "rescue" List Own [Block];
    Always "always" List Own [Block];
    Action "action" Any Own [Tasks];
    LocalAction "local_action" Any Own [Tasks];
    Args "args" Any Own [Tasks];
    Async "async" Int Own [Tasks];
    Poll "poll" Int Own [Tasks];
    ChangedWhen "changed_when" Conditions Own [Tasks];
    FailedWhen "failed_when" Conditions Own [Tasks];
    Until "until" Conditions Own [Tasks];
    Retries "retries" Int Own [Tasks];
    Delay "delay" Number Own [Tasks];
    Loop "loop" List Own [Tasks];
    LoopControl "loop_control" Map Own [Tasks];
    Register "register" Text Own [Tasks];
    Listen "listen" Texts Own [Handler];
    Hosts "hosts" Texts Own [Play];
    GatherFacts "gather_facts" Bool Own [Play];
    GatherSubset "gather_subset" Texts Own [Play];
    GatherTimeout "gather_timeout" Int Own [Play];
    FactPath "fact_path" Text Own [Play];
    VarsFiles "vars_files" Any Own [Play];
    VarsPrompt "vars_prompt" Any Own [Play];
    Roles "roles" List Own [Play];
    Handlers "handlers" List Own [Play];
    PreTasks "pre_tasks" List Own [Play];
    Tasks "tasks" List Own [Play];
    PostTasks "post_tasks" List Own [Play];
    ForceHandlers "force_handlers" Bool Own [Play];
    MaxFailPercentage "max_fail_percentage" Number Own [Play];
    Serial "serial" Any Own [Play];
    Strategy "strategy" Text Own [Play];
    Order "order" Text Own [Play];
    ValidateArgspec "validate_argspec" Any Own [Play];
    Role "role" Text Own [Role];
    ImportPlaybook "import_playbook" Text Own [ImportPlaybook];
}

impl Keyword {
    /// The keyword of that name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|keyword| keyword.name() == name)
    }

    /// Whether it may stand there.
    pub(crate) fn fits(self, holder: Holder) -> bool {
        self.holders().contains(&holder)
    }

    /// All that may stand there.
    pub(crate) fn of(holder: Holder) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |keyword| keyword.fits(holder))
    }

    /// The keyword that may stand there and is most like `wrong`.
    pub(crate) fn nearest(wrong: &str, holder: Holder) -> Option<&'static str> {
        suggest::nearest(wrong, Self::of(holder).map(Self::name))
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The keywords of one play, block, task or role entry, with the places of name and value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keywords {
    entries: Vec<Given>,
}

/// One keyword as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) keyword: Keyword,
    /// Of the keyword itself.
    pub(crate) key: Span,
    /// Not rendered yet.
    pub(crate) value: Node,
}

impl Keywords {
    /// The value, if it is given and not null.
    pub(crate) fn get(&self, keyword: Keyword) -> Option<&Node> {
        self.given(keyword).map(|given| &given.value).filter(|value| !value.is_null())
    }

    /// Name and value, even where the value is null.
    pub(crate) fn given(&self, keyword: Keyword) -> Option<&Given> {
        self.entries.iter().find(|given| given.keyword == keyword)
    }

    /// Sets a keyword, in place of one that was set before.
    pub(crate) fn set(&mut self, given: Given) {
        self.entries.retain(|known| known.keyword != given.keyword);
        self.entries.push(given);
    }

    /// In the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Given> {
        self.entries.iter()
    }
}
