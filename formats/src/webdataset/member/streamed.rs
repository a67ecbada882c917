//! Members that are too large for memory, or that may not be wanted: the head first, then the data
//! piece by piece, or not at all.

use super::{MemberHead, MemberReader, torn};
use crate::{Error, Result};

/// Most bytes that are passed over at a time.
const STEP: u64 = 1 << 20;

impl MemberReader {
    /// The head of the next regular member; `None` at the end of the archive. What was not read of
    /// the member before is passed over. Limits on members do not apply.
    ///
    /// # Errors
    /// As [`MemberReader::next_member`].
    pub fn next_head(&mut self) -> Result<Option<MemberHead>> {
        if self.failed {
            let e = Error::corrupt("nothing is read behind the damage that was found before");
            return Err(self.place(e, self.input.offset()));
        }
        let head = self.pass().and_then(|()| self.advance());
        self.failed = head.is_err();
        if let Ok(Some(head)) = &head {
            let padded = head.size.next_multiple_of(super::BLOCK as u64);
            self.unread = (head.size, padded.saturating_sub(head.size));
            self.members += 1;
        }
        head
    }

    /// Reads on in the data of the member whose head came last; 0 at their end.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] where the archive ends inside them; [`crate::Kind::Io`].
    pub fn read_data(&mut self, into: &mut [u8]) -> Result<usize> {
        let want = (into.len() as u64).min(self.unread.0) as usize;
        if want == 0 {
            return Ok(0);
        }
        let got = self.some(want)?;
        if let Some(into) = into.get_mut(..got) {
            into.copy_from_slice(&self.input.take(got));
        }
        self.unread.0 -= got as u64;
        Ok(got)
    }

    /// Passes over what was not read of the last member.
    fn pass(&mut self) -> Result<()> {
        while self.unread != (0, 0) {
            let left = self.unread.0 + self.unread.1;
            let got = self.some(left.min(STEP) as usize)?;
            self.input.take(got);
            let data = self.unread.0.min(got as u64);
            self.unread.0 -= data;
            self.unread.1 -= got as u64 - data;
        }
        Ok(())
    }

    /// Makes at least 1 and at most `want` bytes ready to be taken.
    fn some(&mut self, want: usize) -> Result<usize> {
        let offset = self.input.offset();
        let got = match self.input.peek().len() {
            0 => self.input.fill(want),
            ready => Ok(ready.min(want)),
        };
        match got {
            Ok(0) => {
                self.failed = true;
                let e = torn(self.unread.0, 0);
                Err(self.place(e, offset))
            }
            Ok(got) => Ok(got),
            Err(e) => {
                self.failed = true;
                Err(self.place(e, offset))
            }
        }
    }
}
