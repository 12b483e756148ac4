import { FormatError } from '../../base/errors.ts'
import { quoted } from '../checked.ts'
import { wordPatterns } from '../huggingface/known-patterns.ts'

/** How a byte-level vocabulary of a GGUF file is applied to texts. */
export interface PreTokenizer {
  /** Each cuts the pieces that the former left. */
  readonly cuts: readonly string[]
  /** A word that is a token is taken whole, whatever the merges make of it. */
  readonly ignoreMerges?: boolean
  /** Sequences begin with the start token unless the file says otherwise. */
  readonly addBos?: boolean
}

const { gpt2, llama3, qwen2, qwen35, gpt4o, tekken, digit, digits, threeDigits, threeAsciiDigits } = wordPatterns
const { lineBreak, deepseekLetters, deepseekPunctuation, spacesAtEnd, deepseekIdeographs } = wordPatterns
const { deepseek3, deepseek3Ideographs, defaultSigns, falconSigns } = wordPatterns

const kinds: readonly (readonly [names: readonly string[], kind: PreTokenizer])[] = [
  [['default'], { cuts: [defaultSigns, gpt2, digits, threeAsciiDigits] }],
  [
    [
      'gpt-2',
      'phi-2',
      'gigachat',
      'a.x-4.0',
      'mellum',
      'modern-bert',
      'mpt',
      'olmo',
      'jais',
      'trillion',
      'exaone4',
      'granite-docling',
    ],
    { cuts: [gpt2] },
  ],
  [
    ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'],
    { cuts: [llama3], ignoreMerges: true, addBos: true },
  ],
  [['dbrx', 'smaug-bpe', 'chatglm-bpe', 'glm4'], { cuts: [llama3] }],
  [['qwen2', 'deepseek-r1-qwen', 'kormo', 'megrez', 'stablelm2', 'hunyuan', 'solar-open', 'grok-2'], { cuts: [qwen2] }],
  [['qwen35'], { cuts: [qwen35] }],
  [['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'], { cuts: [digit, gpt2] }],
  [['falcon'], { cuts: [falconSigns, gpt2, threeAsciiDigits] }],
  [['deepseek-llm'], { cuts: [lineBreak, deepseekLetters, deepseekPunctuation, spacesAtEnd, deepseekIdeographs, digits] }],
  [['deepseek-v3', 'hunyuan-dense', 'joyai-llm'], { cuts: [threeDigits, deepseek3Ideographs, deepseek3] }],
  [['gpt-4o', 'llama4', 'kanana2'], { cuts: [gpt4o] }],
  [['tekken'], { cuts: [tekken], ignoreMerges: true, addBos: true }],
]

const byName: ReadonlyMap<string, PreTokenizer> = new Map(
  kinds.flatMap(([names, kind]) => names.map((name): [string, PreTokenizer] => [name, kind])),
)

/**
 * What `tokenizer.ggml.pre` names. Files without it are of the time before it, when there was one way: 'default'.
 *
 * @throws FormatError for names that are not known here: with other cuts the ids would be wrong, not just worse.
 */
export function preTokenizer(name = 'default'): PreTokenizer {
  const found = byName.get(name)
  if (found !== undefined) return found
  throw new FormatError(`the pre-tokenizer ${quoted(name)} (tokenizer.ggml.pre) is not supported`, {
    expected: [...byName.keys()].join(', '),
    fix: "load the model's tokenizer.json instead",
  })
}
