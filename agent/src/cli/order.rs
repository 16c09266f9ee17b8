//! The commands that change something: `node`, `resource`, `fence`, `wait`, `reload`.

use super::answer::{Failure, ask, print};
use super::{Command, NodeCommand, ResourceCommand};
use muster_api::control::{Request, Response};
use std::path::Path;

/// Gives the order and says what came of it.
pub(super) fn give(socket: &Path, command: Command) -> Result<(), Failure> {
    let Some(request) = request(command) else { return Err(Failure::Unexpected) };
    match ask(socket, &request)? {
        Response::Done { note, .. } => {
            print(&note.map_or("done\n".to_owned(), |note| format!("{note}\n")));
            Ok(())
        }
        _ => Err(Failure::Unexpected),
    }
}

fn request(command: Command) -> Option<Request> {
    Some(match command {
        Command::Node(NodeCommand::Standby { node }) => Request::Standby { node: node.into(), on: true },
        Command::Node(NodeCommand::Unstandby { node }) => Request::Standby { node: node.into(), on: false },
        Command::Resource(command) => resource_request(command),
        Command::Fence(args) if args.confirm => Request::ConfirmFenced { node: args.node.into() },
        Command::Fence(args) => Request::Fence { node: args.node.into(), off: args.off },
        Command::Wait { timeout } => Request::WaitIdle { timeout_ms: timeout },
        Command::Reload => Request::Reload,
        _ => return None,
    })
}

fn resource_request(command: ResourceCommand) -> Request {
    match command {
        ResourceCommand::Move { resource, node, lifetime } => {
            Request::Move { resource: resource.into(), node: node.map(Into::into), lifetime_ms: lifetime }
        }
        ResourceCommand::Clear { resource } => Request::Clear { resource: resource.into() },
        ResourceCommand::Cleanup { resource } => Request::Cleanup { resource: resource.map(Into::into) },
        ResourceCommand::Enable { resource } => Request::Enable { resource: resource.into(), on: true },
        ResourceCommand::Disable { resource } => Request::Enable { resource: resource.into(), on: false },
    }
}
