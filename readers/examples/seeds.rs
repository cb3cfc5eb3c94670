//! Writes a small seed for each growth of each reader into the fuzz corpora, where there is none yet.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for reader in readers::all() {
        let folder = corpora.join(reader.name);
        std::fs::create_dir_all(&folder)?;
        for growth in reader.growths {
            let file = folder.join(growth.name.replace(' ', "-"));
            if !file.exists() {
                std::fs::write(file, (growth.input)(2))?;
            }
        }
    }
    Ok(())
}
