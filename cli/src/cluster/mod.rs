//! The desired cluster: the playbook form and the CIB, read into one model and written from it.

pub(crate) mod cib;
pub(crate) mod desired;
pub(crate) mod playbook_form;
pub(crate) mod playbook_text;
