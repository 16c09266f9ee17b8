//! The desired cluster: the playbook form and the CIB, read into one model.

pub(crate) mod cib;
pub(crate) mod playbook_form;
