import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CallReader, plainReader, taggedReader, wholeCallReader } from '../../../src/serve/text/call-reader.ts'

const call = (name: string, given: object) => `<tool_call>\n${JSON.stringify({ name, arguments: given })}\n</tool_call>`

function readInPieces(reader: CallReader, text: string, cuts: readonly number[]) {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  const said = [...at.slice(1).map((end, i) => reader.push(text.slice(at[i], end))), reader.end()]
  return { text: said.map((each) => each.text).join(''), calls: said.flatMap((each) => each.calls) }
}

describe('calls within text', () => {
  it('are taken out wherever the text is cut', () => {
    const piece = fc.oneof(
      fc.constantFrom('<tool_call>', '</tool_call>', '<tool', '<', 'text', '\n', '{"name": "f"}'),
      fc.jsonValue().map((value) => call('f', { value })),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.array(fc.nat(500), { maxLength: 12 }), (pieces, cuts) => {
        const text = pieces.join('')
        expect(readInPieces(taggedReader(), text, cuts)).toEqual(readInPieces(taggedReader(), text, []))
      }),
    )
  })

  it('leave the text around them', () => {
    const text = `Let me see.${call('weather', { city: 'Bern </tool_call' })} and ${call('time', {})}`
    expect(readInPieces(taggedReader(), text, [])).toEqual({
      text: 'Let me see. and ',
      calls: [
        { name: 'weather', arguments: '{"city":"Bern </tool_call"}' },
        { name: 'time', arguments: '{}' },
      ],
    })
  })

  it('stay text where they are none', () => {
    const text = 'a <tool_call>nothing</tool_call> b <tool_call>{"name": 1}'
    expect(readInPieces(taggedReader(), text, [3, 9])).toEqual({ text, calls: [] })
  })

  it('may lack the end of the last one, which a stop took', () => {
    expect(readInPieces(taggedReader(), '<tool_call>\n{"name": "f", "arguments": {}}\n', [])).toEqual({
      text: '',
      calls: [{ name: 'f', arguments: '{}' }],
    })
  })
})

describe('an answer that is one call', () => {
  it('is read when it is whole', () => {
    const text = '{"name": "f", "arguments": {"a": 1}}'
    expect(readInPieces(wholeCallReader(), text, [5, 9])).toEqual({ text: '', calls: [{ name: 'f', arguments: '{"a":1}' }] })
    expect(readInPieces(wholeCallReader(), text.slice(0, 33), [5])).toEqual({
      text: '',
      calls: [{ name: 'f', arguments: '{"a": ' }],
    })
    expect(readInPieces(wholeCallReader(), text.slice(0, 11), [5])).toEqual({ text: '', calls: [] })
  })

  it('is none in plain text', () => {
    expect(readInPieces(plainReader(), call('f', {}), [4])).toEqual({ text: call('f', {}), calls: [] })
  })
})
