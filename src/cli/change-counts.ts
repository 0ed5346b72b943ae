const signs = { created: '+', modified: '~', deleted: '-', renamed: '>', mode: 't', xattr: 'x' } as const

/** `+3 ~1 -2`: created, modified, deleted; `>1` renamed, `t1` modes or owners, `x1` attributes. */
export function countsText(counts: Partial<Record<string, number>> | undefined): string {
  if (counts === undefined) return ''
  return Object.entries(signs)
    .flatMap(([kind, sign]) => (counts[kind] === undefined || counts[kind] === 0 ? [] : [`${sign}${counts[kind]}`]))
    .join(' ')
}
