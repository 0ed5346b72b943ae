/** Extended attributes of Cairn's own begin so: a tag is one without content, a value under a key is one with it. They are versioned and forked with the tree. */
export const TAG_PREFIX = 'user.cairn.tag.'
export const META_PREFIX = 'user.cairn.meta.'
