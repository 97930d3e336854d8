//! A volume as the driver's atomic writer leaves it: a timestamped directory, `..data` pointing to
//! it, and a link for each top-level name. Nothing is touched when every byte is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use vaultbind_proto::{File, MountResponse};

/// A mounted volume.
#[derive(Debug)]
pub struct Volume {
    root: PathBuf,
    generation: u32,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Paths that are new or have other bytes.
    pub written: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
}

impl Volume {
    /// An empty volume in an existing directory.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            generation: 0,
        }
    }

    /// Where the pod sees it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes a provider's answer by the driver's rules.
    ///
    /// # Errors
    /// What the driver would refuse: no versions, or a path that is not clean and relative.
    pub fn write(&mut self, response: &MountResponse) -> anyhow::Result<Change> {
        ensure!(
            !response.object_version.is_empty(),
            "missing object versions"
        );
        let mut files = BTreeMap::new();
        for file in &response.files {
            validate(&file.path)?;
            files.insert(file.path.as_str(), file);
        }
        let before = self.read()?;
        let written: Vec<String> = files
            .iter()
            .filter(|(path, file)| {
                before.get(**path).map(Vec::as_slice) != Some(&file.contents[..])
            })
            .map(|(path, _)| (*path).to_owned())
            .collect();
        let removed: Vec<String> = before
            .keys()
            .filter(|path| !files.contains_key(path.as_str()))
            .cloned()
            .collect();
        let change = Change { written, removed };
        if files.is_empty()
            || change
                == (Change {
                    written: Vec::new(),
                    removed: Vec::new(),
                })
        {
            return Ok(change);
        }
        self.swap(&files)?;
        Ok(change)
    }

    fn swap(&mut self, files: &BTreeMap<&str, &File>) -> anyhow::Result<()> {
        self.generation += 1;
        let name = format!("..{:06}", self.generation);
        let directory = self.root.join(&name);
        for (path, file) in files {
            let target = directory.join(path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&target, &file.contents)?;
            let mode = u32::try_from(file.mode).context("negative mode")?;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        }
        let data = self.root.join("..data");
        let old = fs::read_link(&data).ok();
        let next = self.root.join("..data_tmp");
        symlink(&name, &next)?;
        fs::rename(&next, &data)?;

        let tops: BTreeSet<&str> = files
            .keys()
            .filter_map(|path| path.split('/').next())
            .collect();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with("..") && !tops.contains(name.as_ref()) {
                fs::remove_file(entry.path())?;
            }
        }
        for top in tops {
            let link = self.root.join(top);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(top), &link)?;
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.root.join(old))?;
        }
        Ok(())
    }

    /// The files as the pod reads them.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read(&self) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let data = self.root.join("..data");
        let mut files = BTreeMap::new();
        if !data.exists() {
            return Ok(files);
        }
        let base = fs::canonicalize(&data)?;
        let mut queue = vec![base.clone()];
        while let Some(directory) = queue.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    queue.push(path);
                } else {
                    let name = path.strip_prefix(&base)?.to_string_lossy().into_owned();
                    files.insert(name, fs::read(&path)?);
                }
            }
        }
        Ok(files)
    }

    /// The permission bits of one file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn mode(&self, path: &str) -> anyhow::Result<u32> {
        let metadata = fs::metadata(self.root.join("..data").join(path))?;
        Ok(metadata.permissions().mode() & 0o7777)
    }
}

fn validate(path: &str) -> anyhow::Result<()> {
    ensure!(
        !path.is_empty() && path.len() <= 4096,
        "bad length of path {path:?}"
    );
    let mut clean = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => {
                ensure!(part.len() <= 255, "path element too long in {path:?}");
                clean.push(part);
            }
            _ => bail!("path {path:?} is not relative"),
        }
    }
    ensure!(
        clean.to_str() == Some(path) && !path.starts_with(".."),
        "path {path:?} is not clean"
    );
    Ok(())
}
