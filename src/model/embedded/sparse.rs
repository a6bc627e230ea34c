//! Matrices that are mostly zero.

/// A column and its value.
pub(super) type Entry = (u32, f32);

/// A matrix that keeps only what isn't zero, row by row.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SparseRows {
    /// Where each row ends in `entries`.
    ends: Vec<usize>,
    entries: Vec<Entry>,
}

impl SparseRows {
    /// Adds a row.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = Entry>) {
        self.entries.extend(row);
        self.ends.push(self.entries.len());
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A row; empty past the end.
    pub(super) fn row(&self, row: usize) -> &[Entry] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(row).map_or(&[], |&end| &self.entries[start..end])
    }

    /// Multiplies every value.
    pub(super) fn scale(&mut self, factor: f32) {
        self.entries.iter_mut().for_each(|(_, value)| *value *= factor);
    }

    /// Columns as rows. `columns` is more than any column's number.
    pub(super) fn transposed(&self, columns: usize) -> Self {
        let mut ends = vec![0; columns + 1];
        for &(column, _) in &self.entries {
            ends[column as usize + 1] += 1;
        }
        for column in 0..columns {
            ends[column + 1] += ends[column];
        }
        let mut entries = vec![(0, 0.0); self.entries.len()];
        // Each start moves on as its row fills, and so becomes the row's end.
        for row in 0..self.len() {
            for &(column, value) in self.row(row) {
                let place = &mut ends[column as usize];
                entries[*place] = (row as u32, value);
                *place += 1;
            }
        }
        ends.truncate(columns);
        Self { ends, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns_and_back() {
        let mut matrix = SparseRows::default();
        for row in [vec![(0, 1.0), (3, 2.0)], vec![], vec![(3, 3.0)]] {
            matrix.push(row);
        }
        let transposed = matrix.transposed(5);
        assert_eq!(transposed.len(), 5);
        let rows: Vec<&[Entry]> = (0..6).map(|row| transposed.row(row)).collect();
        assert_eq!(rows, [&[(0, 1.0)][..], &[], &[], &[(0, 2.0), (2, 3.0)], &[], &[]]);
        assert_eq!(transposed.transposed(3), matrix);
    }
}
