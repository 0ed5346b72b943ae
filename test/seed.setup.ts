/**
 * In CI the properties are tried with one seed, so that a run says what the change did and not what chance did; elsewhere with another each time, so that they find
 * more. CAIRN_TEST_SEED is a number of one's own, or `random`.
 */
const { CI, CAIRN_TEST_SEED: asked } = process.env
const seed = asked === undefined ? (CI === undefined ? undefined : 1) : asked === 'random' ? undefined : Number(asked)

if (seed !== undefined) {
  const { default: fc } = await import('fast-check')
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
}
