/** What differs so that no rule can decide. Each names both sides; `ours` and `theirs` change places when the merge is turned round. */
export type ConflictKind =
  /** Both changed the same lines. */
  | 'text'
  /** Both changed the content of a file that is no text, or too large to be merged by lines. */
  | 'binary'
  /** Two different files of one name came into being. */
  | 'add/add'
  /** One changed what the other deleted. */
  | 'delete/modify'
  /** One renamed or moved what the other deleted. */
  | 'rename/delete'
  /** Both renamed or moved it, to different places; or two things to one place; or two directories into each other. */
  | 'rename/rename'
  | 'mode/mode'
  | 'owner/owner'
  | 'xattr/xattr'
  /** One made another kind of file of it (a symlink, for instance). */
  | 'type'
  /** One has a directory where the other has a file. */
  | 'directory/file'

/** What one side did. */
export type SideState = 'added' | 'modified' | 'deleted' | 'renamed' | 'unchanged'

/** JSON-safe. */
export interface MergeConflict {
  kind: ConflictKind
  /** Where it stands in the merged volume. */
  path: string
  ours: { state: SideState; path?: string }
  theirs: { state: SideState; path?: string }
  /** The file at `path` has conflict markers. */
  markers?: true
  /** Where their version was put. */
  beside?: string
  /** Name of the extended attribute. */
  attribute?: string
  /**
   * Why the content of two files was not merged by lines: not all of the versions are text (regular, without NUL bytes); one is larger than
   * `limits.mergeTextBytes`; or both sides changed more than can be compared.
   */
  reason?: 'no-text' | 'too-large' | 'too-many-changes'
  /** An option decided it; nothing is left to do. */
  resolved?: Resolution
}

/** How conflicts are decided without asking: our version, theirs, or both as two files. */
export type Resolution = 'ours' | 'theirs' | 'keep-both'

export interface MergeLabels {
  ours: string
  theirs: string
}
