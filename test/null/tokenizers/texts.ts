import fc from 'fast-check'

/** Any character of Unicode, without halves of surrogate pairs. fast-check's own `binary` unit takes seconds to set up. */
export const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0x7ff }),
    fc.integer({ min: 0x800, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((code) => String.fromCodePoint(code))

export const anyText = fc.string({ unit: character, maxLength: 60 })
