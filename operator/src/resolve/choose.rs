//! List the vault's objects, or the versions of each object? Whichever is fewer requests.

/// What is known of how many pages the list of a vault's objects has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pages {
    /// It was never read.
    #[default]
    Unknown,
    /// So many.
    Exactly(usize),
    /// More than these, after which it was given up.
    MoreThan(usize),
}

/// What a choice depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Whether a selection is wanted, for which there is no other way.
    pub(super) selects: bool,
    /// Objects that will be asked for now or soon, and whose list of versions can be spared if the list
    /// of objects shows them unchanged.
    pub(super) due: usize,
    /// How long the list of objects is.
    pub(super) pages: Pages,
    /// Whether it was refused not long ago.
    pub(super) refused: bool,
    /// Most pages to read for a selection.
    pub(super) most_pages: usize,
}

/// Most pages of the list of objects that are worth to be read first; none if it is not worth it.
pub(super) fn list_pages(situation: Situation) -> Option<usize> {
    let Situation {
        selects,
        due,
        pages,
        refused,
        most_pages,
    } = situation;
    if selects {
        return Some(most_pages);
    }
    // With as many requests the lists of versions say more.
    let worth = due.saturating_sub(1).min(most_pages);
    let pays = match pages {
        Pages::Unknown => worth > 0,
        Pages::Exactly(pages) => pages <= worth,
        Pages::MoreThan(pages) => pages < worth,
    };
    (pays && !refused).then_some(worth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Situation = Situation {
        selects: false,
        due: 0,
        pages: Pages::Unknown,
        refused: false,
        most_pages: 100,
    };

    #[test]
    fn the_list_is_read_only_as_long_as_it_is_cheaper_than_asking_for_each_object() {
        for (due, pages, expected) in [
            (0, Pages::Unknown, None),
            (1, Pages::Unknown, None),
            (2, Pages::Unknown, Some(1)),
            (60, Pages::Unknown, Some(59)),
            (1, Pages::Exactly(1), None),
            (2, Pages::Exactly(1), Some(1)),
            (3, Pages::Exactly(3), None),
            (4, Pages::Exactly(3), Some(3)),
            (500, Pages::Exactly(3), Some(100)),
            (10, Pages::MoreThan(9), None),
            (11, Pages::MoreThan(9), Some(10)),
            (500, Pages::MoreThan(100), None),
        ] {
            let situation = Situation {
                due,
                pages,
                ..NOTHING
            };
            assert_eq!(list_pages(situation), expected, "{due} {pages:?}");
        }
    }

    #[test]
    fn a_refused_list_is_asked_for_again_only_for_a_selection() {
        let refused = Situation {
            due: 60,
            refused: true,
            ..NOTHING
        };
        assert_eq!(list_pages(refused), None);
        let selects = Situation {
            selects: true,
            ..refused
        };
        assert_eq!(list_pages(selects), Some(100));
    }
}
