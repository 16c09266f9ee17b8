//! Which definition of a variable wins: Ansible's order, from the weakest to the strongest.
//!
//! (Ansible's own list of 22 starts with command line values such as `-u`, which are no variables.)

/// Where a definition stands in the order. Later ones win; within one level the last definition wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    /// `roles/NAME/defaults/main.yml`
    RoleDefaults,
    /// Group variables in the inventory file, parents before children
    InventoryFileGroup,
    /// `group_vars/all` beside the inventory
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook
    PlaybookGroupVarsAll,
    /// `group_vars/GROUP` beside the inventory
    InventoryGroupVars,
    /// `group_vars/GROUP` beside the playbook
    PlaybookGroupVars,
    /// Host variables in the inventory file
    InventoryFileHost,
    /// `host_vars/HOST` beside the inventory
    InventoryHostVars,
    /// `host_vars/HOST` beside the playbook
    PlaybookHostVars,
    /// Facts of the host, gathered or kept (`set_fact` with `cacheable`)
    Facts,
    /// `vars:` of the play
    PlayVars,
    /// `vars_prompt:` of the play
    PlayPrompt,
    /// `vars_files:` of the play
    PlayVarsFiles,
    /// `roles/NAME/vars/main.yml`
    RoleVars,
    /// `vars:` of the blocks around the task, from the outermost
    BlockVars,
    /// `vars:` of the task
    TaskVars,
    /// `include_vars`
    IncludeVars,
    /// `set_fact` and `register`
    SetFact,
    /// Parameters of a role, in `roles:`, `import_role` or `include_role`
    RoleParams,
    /// `vars:` of the include that brought the task
    IncludeParams,
    /// `-e` on the command line
    ExtraVars,
    /// `item`, `ansible_loop` and other names of the running loop
    LoopVars,
}

impl Level {
    /// The place in the order, counted from 1, the weakest.
    pub(crate) fn number(self) -> usize {
        Self::ALL.iter().position(|level| *level == self).map_or(0, |index| index + 1)
    }

    /// Where such definitions stand, for people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::RoleDefaults => "defaults of a role",
            Self::InventoryFileGroup => "group variables in the inventory file",
            Self::InventoryGroupVarsAll => "group_vars/all beside the inventory",
            Self::PlaybookGroupVarsAll => "group_vars/all beside the playbook",
            Self::InventoryGroupVars => "group_vars beside the inventory",
            Self::PlaybookGroupVars => "group_vars beside the playbook",
            Self::InventoryFileHost => "host variables in the inventory file",
            Self::InventoryHostVars => "host_vars beside the inventory",
            Self::PlaybookHostVars => "host_vars beside the playbook",
            Self::Facts => "facts of the host",
            Self::PlayVars => "vars of the play",
            Self::PlayPrompt => "vars_prompt of the play",
            Self::PlayVarsFiles => "vars_files of the play",
            Self::RoleVars => "vars of a role",
            Self::BlockVars => "vars of a block",
            Self::TaskVars => "vars of the task",
            Self::IncludeVars => "include_vars",
            Self::SetFact => "set_fact or register",
            Self::RoleParams => "parameters of a role",
            Self::IncludeParams => "vars of an include",
            Self::ExtraVars => "-e on the command line",
            Self::LoopVars => "the running loop",
        }
    }

    /// All levels, from the weakest.
    pub(crate) const ALL: [Self; 22] = [
        Self::RoleDefaults,
        Self::InventoryFileGroup,
        Self::InventoryGroupVarsAll,
        Self::PlaybookGroupVarsAll,
        Self::InventoryGroupVars,
        Self::PlaybookGroupVars,
        Self::InventoryFileHost,
        Self::InventoryHostVars,
        Self::PlaybookHostVars,
        Self::Facts,
        Self::PlayVars,
        Self::PlayPrompt,
        Self::PlayVarsFiles,
        Self::RoleVars,
        Self::BlockVars,
        Self::TaskVars,
        Self::IncludeVars,
        Self::SetFact,
        Self::RoleParams,
        Self::IncludeParams,
        Self::ExtraVars,
        Self::LoopVars,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_levels() {
        assert!(Level::ALL.is_sorted());
    }
}
