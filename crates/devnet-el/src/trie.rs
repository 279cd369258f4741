//! A Merkle Patricia trie over 32-byte keys whose versions share what they have in common. A change copies the path to
//! the changed leaf and nothing else, so cloning a trie is O(1), every block keeps its own version, and the root of the
//! next block costs only the nodes that the block touched: each node remembers the reference its parent hashes.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use std::sync::{Arc, OnceLock};

/// A version of a trie. The default is the empty trie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    root: Option<Link>,
}

type Link = Arc<Node>;
type Children = Box<[Option<Link>; 16]>;

#[derive(Debug)]
struct Node {
    kind: NodeKind,
    /// What the parent stores for this node: its RLP if shorter than 32 bytes, else the hash of it. Computed when first
    /// asked for, so that a node which a later change of the same block replaces is never hashed.
    reference: OnceLock<RlpNode>,
}

#[derive(Debug)]
enum NodeKind {
    Leaf { path: Nibbles, value: Vec<u8> },
    Extension { path: Nibbles, child: Link },
    Branch { children: Children },
}

/// What removing a key did to a subtrie.
enum Removal {
    /// The key was not there.
    Absent,
    /// The key is gone; this is what is left of the subtrie.
    Left(Option<Link>),
}

impl Trie {
    /// Sets `key` to `value`, which must not be empty: an empty value is expressed by [`Trie::remove`].
    pub(crate) fn insert(&mut self, key: B256, value: Vec<u8>) {
        self.root = Some(insert(self.root.as_ref(), Nibbles::unpack(key), value));
    }

    /// Removes `key`; nothing happens if it is absent.
    pub(crate) fn remove(&mut self, key: B256) {
        if let Some(root) = &self.root
            && let Removal::Left(left) = remove(root, &Nibbles::unpack(key))
        {
            self.root = left;
        }
    }

    /// The root hash; [`EMPTY_ROOT_HASH`] for the empty trie.
    pub(crate) fn root(&self) -> B256 {
        let Some(root) = &self.root else {
            return EMPTY_ROOT_HASH;
        };
        // A root shorter than 32 bytes is hashed all the same.
        root.reference()
            .as_hash()
            .unwrap_or_else(|| keccak256(root.encode()))
    }

    /// The nodes on the way from the root to `key`, as `eth_getProof` returns them. For an absent key they prove that it
    /// is absent. Nodes shorter than 32 bytes are part of their parent and do not stand alone.
    pub(crate) fn prove(&self, key: B256) -> Vec<Bytes> {
        let mut rest = Nibbles::unpack(key);
        let mut next = self.root.as_ref();
        let mut proof = Vec::new();
        while let Some(node) = next {
            let encoded = node.encode();
            if proof.is_empty() || encoded.len() >= 32 {
                proof.push(encoded.into());
            }
            next = match &node.kind {
                NodeKind::Leaf { .. } => None,
                NodeKind::Extension { path, child } => rest.starts_with(path).then(|| {
                    rest = rest.slice(path.len()..);
                    child
                }),
                NodeKind::Branch { children } => {
                    let child = children[usize::from(rest.get_unchecked(0))].as_ref();
                    rest = rest.slice(1..);
                    child
                }
            };
        }
        proof
    }
}

impl Node {
    fn link(kind: NodeKind) -> Link {
        Arc::new(Self {
            kind,
            reference: OnceLock::new(),
        })
    }

    fn leaf(path: Nibbles, value: Vec<u8>) -> Link {
        Self::link(NodeKind::Leaf { path, value })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.kind {
            NodeKind::Leaf { path, value } => LeafNodeRef::new(path, value).encode(&mut out),
            NodeKind::Extension { path, child } => {
                ExtensionNodeRef::new(path, child.reference()).encode(&mut out);
            }
            NodeKind::Branch { children } => {
                let mut stack = Vec::with_capacity(16);
                let mut mask = 0u16;
                for (index, child) in children.iter().enumerate() {
                    if let Some(child) = child {
                        stack.push(child.reference().clone());
                        mask |= 1 << index;
                    }
                }
                BranchNodeRef::new(&stack, TrieMask::new(mask)).encode(&mut out);
            }
        }
        out
    }

    fn reference(&self) -> &RlpNode {
        self.reference
            .get_or_init(|| RlpNode::from_rlp(&self.encode()))
    }
}

/// `child` moved down below `path`: paths of leaves and extensions grow, a branch gets an extension above it.
fn with_prefix(path: Nibbles, child: Link) -> Link {
    if path.is_empty() {
        return child;
    }
    match &child.kind {
        NodeKind::Leaf { path: rest, value } => Node::leaf(path.join(rest), value.clone()),
        NodeKind::Extension {
            path: rest,
            child: below,
        } => Node::link(NodeKind::Extension {
            path: path.join(rest),
            child: below.clone(),
        }),
        NodeKind::Branch { .. } => Node::link(NodeKind::Extension { path, child }),
    }
}

/// The subtrie `node` with `key` set. Keys of one trie have one length, so a branch is never reached with an empty key.
fn insert(node: Option<&Link>, key: Nibbles, value: Vec<u8>) -> Link {
    let Some(node) = node else {
        return Node::leaf(key, value);
    };
    match &node.kind {
        NodeKind::Branch { children } => {
            let mut children = children.clone();
            let slot = &mut children[usize::from(key.get_unchecked(0))];
            *slot = Some(insert(slot.as_ref(), key.slice(1..), value));
            Node::link(NodeKind::Branch { children })
        }
        NodeKind::Leaf { path, .. } if *path == key => Node::leaf(key, value),
        NodeKind::Leaf {
            path,
            value: present,
        } => split(path, key, value, |rest| Node::leaf(rest, present.clone())),
        NodeKind::Extension { path, child } if key.starts_with(path) => {
            let child = insert(Some(child), key.slice(path.len()..), value);
            Node::link(NodeKind::Extension { path: *path, child })
        }
        NodeKind::Extension { path, child } => {
            split(path, key, value, |rest| with_prefix(rest, child.clone()))
        }
    }
}

/// Puts a branch where `path` and `key` part. `below` makes what stands at the rest of `path` after the branch.
fn split(
    path: &Nibbles,
    key: Nibbles,
    value: Vec<u8>,
    below: impl FnOnce(Nibbles) -> Link,
) -> Link {
    let shared = key.common_prefix_length(path);
    let mut children = Children::default();
    children[usize::from(path.get_unchecked(shared))] = Some(below(path.slice(shared + 1..)));
    children[usize::from(key.get_unchecked(shared))] =
        Some(Node::leaf(key.slice(shared + 1..), value));
    with_prefix(
        key.slice(..shared),
        Node::link(NodeKind::Branch { children }),
    )
}

fn remove(node: &Link, key: &Nibbles) -> Removal {
    match &node.kind {
        NodeKind::Leaf { path, .. } if path == key => Removal::Left(None),
        NodeKind::Leaf { .. } => Removal::Absent,
        NodeKind::Extension { path, .. } if !key.starts_with(path) => Removal::Absent,
        NodeKind::Extension { path, child } => match remove(child, &key.slice(path.len()..)) {
            Removal::Absent => Removal::Absent,
            Removal::Left(left) => Removal::Left(left.map(|child| with_prefix(*path, child))),
        },
        NodeKind::Branch { children } => {
            let index = usize::from(key.get_unchecked(0));
            let Some(child) = &children[index] else {
                return Removal::Absent;
            };
            let Removal::Left(left) = remove(child, &key.slice(1..)) else {
                return Removal::Absent;
            };
            let mut children = children.clone();
            children[index] = left;
            Removal::Left(collapse(children))
        }
    }
}

/// A branch with these children; with one child it is no branch any more.
fn collapse(children: Children) -> Option<Link> {
    let mut present = (0u8..)
        .zip(children.iter())
        .filter_map(|(index, child)| child.as_ref().map(|child| (index, child)));
    let (index, only) = present.next()?;
    if present.next().is_none() {
        return Some(with_prefix(Nibbles::from_nibbles([index]), only.clone()));
    }
    Some(Node::link(NodeKind::Branch { children }))
}

#[cfg(test)]
mod tests;
