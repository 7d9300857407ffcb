//! A Merkle tree on disk, beside what its leaves are of.
//!
//! Two files, both append-only and never synced: the leaves, 40 bytes each (the leaf's hash, and where in another file its data
//! begin, as u64 in big endian), and from the 256th leaf on the roots of the complete subtrees of 2^8, 2^16, 2^24... leaves, 32
//! bytes each, in the order in which they became complete. Who opens them knows size and root from what was synced, and
//! makes them anew where they do not agree.

use halod_evidence::Hash;
use halod_evidence::tree::{Edge, node};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a leaf on disk.
const LEAF: u64 = 40;
const NODE: u64 = 32;
/// Levels between two that are kept.
const STEP: u32 = 8;
/// Bytes of leaves that are written at once.
const WRITE: usize = 1 << 18;

/// A tree that is read.
#[derive(Debug)]
pub struct TreeFiles {
    leaves: File,
    /// Made with the first complete subtree.
    nodes: RefCell<Option<File>>,
    nodes_path: PathBuf,
}

/// How many subtrees are kept of a tree of so many leaves.
fn kept(size: u64) -> u64 {
    (1..u64::BITS / STEP).map(|step| size >> (step * STEP)).sum()
}

/// Where a kept subtree stands among all of them.
fn place(level: u32, index: u64) -> u64 {
    // Those of a lower level that end with the same leaf come before it.
    kept(((index + 1) << level) - 1) + u64::from(level / STEP - 1)
}

impl TreeFiles {
    fn nodes_path(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".nodes");
        name.into()
    }

    /// Opens what is there, for reading.
    ///
    /// # Errors
    /// The leaves can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let nodes_path = Self::nodes_path(path);
        let nodes = RefCell::new(File::open(&nodes_path).ok());
        Ok(Self { leaves: File::open(path)?, nodes, nodes_path })
    }

    /// A leaf's hash, and where its data begin.
    ///
    /// # Errors
    /// It is not there.
    pub fn leaf(&self, index: u64) -> io::Result<(Hash, u64)> {
        let mut bytes = [0; LEAF as usize];
        self.leaves.read_exact_at(&mut bytes, index * LEAF)?;
        Ok(parts(&bytes))
    }

    /// The root of the complete subtree over the leaves `index << level .. (index + 1) << level`.
    ///
    /// # Errors
    /// What it takes is not there.
    pub fn get(&self, level: u32, index: u64) -> io::Result<Hash> {
        let below = level % STEP;
        let base = level - below;
        let (first, count) = (index << below, 1_u64 << below);
        let mut hashes =
            if base == 0 { self.read_leaves(first, count) } else { self.read_nodes(base, first, count) }?;
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node(&pair[0], &pair[pair.len() - 1])).collect();
        }
        hashes.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read_leaves(&self, first: u64, count: u64) -> io::Result<Vec<Hash>> {
        let mut bytes = vec![0; (count * LEAF) as usize];
        self.leaves.read_exact_at(&mut bytes, first * LEAF)?;
        Ok(bytes.chunks_exact(LEAF as usize).map(|leaf| parts(leaf).0).collect())
    }

    fn read_nodes(&self, level: u32, first: u64, count: u64) -> io::Result<Vec<Hash>> {
        let nodes = self.nodes.borrow();
        let nodes = nodes.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let one = |index| {
            let mut hash = [0; NODE as usize];
            nodes.read_exact_at(&mut hash, place(level, index) * NODE).map(|()| hash)
        };
        (first..first + count).map(one).collect()
    }
}

fn parts(leaf: &[u8]) -> (Hash, u64) {
    let (hash, position) = leaf.split_first_chunk::<32>().unwrap_or((&[0; 32], &[]));
    (*hash, position.try_into().map_or(0, u64::from_be_bytes))
}

/// A tree that grows.
#[derive(Debug)]
pub struct Tree {
    files: TreeFiles,
    edge: Edge,
    /// What is not written yet: leaves, and subtrees.
    new_leaves: Vec<u8>,
    new_nodes: Vec<u8>,
    written: u64,
}

impl Tree {
    /// Opens a tree of this size and root; `None` where the files have no such tree.
    ///
    /// # Errors
    /// Files can't be made or opened.
    pub fn open(path: &Path, size: u64, root: &Hash) -> io::Result<Option<Self>> {
        let files = Self::files(path)?;
        let edge = match Edge::of(size, |level, index| files.get(level, index)) {
            Ok(edge) if edge.root() == *root => edge,
            _ => return Ok(None),
        };
        Ok(Some(Self::with(files, edge)))
    }

    /// An empty tree. What the files held is no part of it.
    ///
    /// # Errors
    /// Files can't be made or opened.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self::with(Self::files(path)?, Edge::default()))
    }

    fn files(path: &Path) -> io::Result<TreeFiles> {
        let nodes_path = TreeFiles::nodes_path(path);
        let nodes = nodes_path.exists().then(|| open_to_write(&nodes_path)).transpose()?;
        Ok(TreeFiles { leaves: open_to_write(path)?, nodes: RefCell::new(nodes), nodes_path })
    }

    fn with(files: TreeFiles, edge: Edge) -> Self {
        let written = edge.size();
        Self { files, edge, new_leaves: Vec::new(), new_nodes: Vec::new(), written }
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Appends a leaf, whose data begin at `position` of wherever they are.
    ///
    /// # Errors
    /// It can't be written.
    pub fn push(&mut self, leaf: Hash, position: u64) -> io::Result<()> {
        let Self { edge, new_leaves, new_nodes, .. } = self;
        new_leaves.extend(leaf);
        new_leaves.extend(position.to_be_bytes());
        edge.push(leaf, |level, _, root| {
            if level > 0 && level.is_multiple_of(STEP) {
                new_nodes.extend(root);
            }
        });
        if self.new_leaves.len() >= WRITE { self.write() } else { Ok(()) }
    }

    /// Writes what was appended; it is not synced.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&mut self) -> io::Result<()> {
        self.files.leaves.write_all_at(&self.new_leaves, self.written * LEAF)?;
        if !self.new_nodes.is_empty() {
            let mut nodes = self.files.nodes.borrow_mut();
            let nodes = match &mut *nodes {
                Some(nodes) => nodes,
                none => none.insert(open_to_write(&self.files.nodes_path)?),
            };
            nodes.write_all_at(&self.new_nodes, kept(self.written) * NODE)?;
        }
        self.new_leaves.clear();
        self.new_nodes.clear();
        self.written = self.edge.size();
        Ok(())
    }

    /// What is written, for proofs.
    #[must_use]
    pub fn reader(&self) -> &TreeFiles {
        &self.files
    }
}

fn open_to_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_evidence::tree::{consistency, inclusion, is_consistent, is_included, leaf};
    use proptest::prelude::*;

    fn leaf_of(index: u64) -> Hash {
        leaf(&index.to_be_bytes())
    }

    fn grown(path: &Path, from: u64, to: u64, root: &Hash) -> Tree {
        let mut tree = Tree::open(path, from, root).unwrap().unwrap();
        for index in from..to {
            tree.push(leaf_of(index), index * 7).unwrap();
        }
        tree.write().unwrap();
        tree
    }

    #[test]
    fn subtrees_are_found_where_they_were_put() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tree");
        // Beyond the second kept level.
        let size = (1 << 16) + 700;
        let tree = grown(&path, 0, size, &Edge::default().root());
        let files = TreeFiles::open(&path).unwrap();
        assert_eq!(files.leaf(70).unwrap(), (leaf_of(70), 490));
        for (level, index) in [(0, 5), (3, 77), (8, 0), (8, 255), (9, 127), (15, 1), (16, 0)] {
            let mut hashes: Vec<Hash> = (index << level..(index + 1) << level).map(leaf_of).collect();
            while hashes.len() > 1 {
                hashes = hashes.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
            }
            assert_eq!(files.get(level, index).unwrap(), hashes[0], "{level} {index}");
        }
        let get = |level, index| files.get(level, index);
        let path = inclusion(65_900, size, get).unwrap().unwrap();
        assert!(is_included(&leaf_of(65_900), (65_900, size), &path, &tree.root()));
    }

    proptest! {
        /// Whatever is written at a time, and whatever a crash left behind it, a tree is that of its leaves.
        #[test]
        fn a_tree_is_opened_as_it_was_left(steps in prop::collection::vec(0_u64..400, 1..5), junk in 0_u64..300) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("tree");
            let (mut size, mut root) = (0, Edge::default().root());
            for step in steps {
                let tree = grown(&path, size, size + step, &root);
                // What a crash leaves is longer than what is signed.
                let mut ahead = Tree::open(&path, tree.size(), &tree.root()).unwrap().unwrap();
                for index in 0..junk {
                    ahead.push([9; 32], index).unwrap();
                }
                ahead.write().unwrap();
                let old = (size, root);
                (size, root) = (tree.size(), tree.root());
                let proof = consistency(old.0, size, |level, index| tree.reader().get(level, index)).unwrap().unwrap();
                prop_assert!(is_consistent((old.0, &old.1), (size, &root), &proof));
            }
            prop_assert!(Tree::open(&path, size, &[1; 32]).unwrap().is_none());
            let mut plain = Edge::default();
            (0..size).for_each(|index| plain.push(leaf_of(index), |_, _, _| {}));
            prop_assert_eq!(plain.root(), root);
        }
    }
}
