import { type Command, InvalidArgumentError, Option } from 'commander'
import { threadCount, wholeNumber } from './numbers.ts'

export interface QuantizeFlags {
  readonly out: string
  readonly bits: 4 | 8
  readonly block: 16 | 32 | 64 | 128 | 256
  readonly method?: 'nearest' | 'gptq'
  readonly calibration?: string
  readonly calibrationTokens: number
  readonly clip: 'none' | 'search'
  readonly keep: readonly string[]
  readonly text?: string
  readonly json?: boolean
  readonly threads?: number
}

export function registerQuantize(program: Command): void {
  const method = new Option('--method <name>', 'how codes are chosen (default: gptq with --calibration, else nearest)')
  const clip = new Option('--clip <name>', 'whether large weights may be cut off where that lowers the error')
  const command = program
    .command('quantize')
    .summary('write a model with weights of 4 or 8 bits')
    .description('Writes a model folder whose matrices take 4 or 8 bits a weight, and says what that costs on a text.')
    .argument('<model>', 'a model folder, or the name of a model that ships with nextx: stories260K')
    .requiredOption('-o, --out <folder>', 'the folder to write')
    .option('--bits <count>', 'bits of a weight: 4 or 8', oneOf(4, 8), 4)
    .option('--block <count>', 'weights that share a scale: 16, 32, 64, 128 or 256', oneOf(16, 32, 64, 128, 256), 32)
    .addOption(method.choices(['nearest', 'gptq']))
    .option('--calibration <file>', 'for gptq: text like what the model will read; - reads stdin')
    .option('--calibration-tokens <count>', 'most tokens of it that are read', wholeNumber(2), 65_536)
    .addOption(clip.choices(['none', 'search']).default('none'))
    .option('--keep <parts...>', 'leave matrices whose name contains one of these as they are', [])
    .option('--text <file>', 'score this text before and after; - reads stdin')
    .option('--json', 'print a JSON object')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
    .addHelpText('after', examples)
  command.action(async (model: string, flags: QuantizeFlags) => {
    if (flags.method === 'gptq' && flags.calibration === undefined)
      command.error("error: '--method gptq' needs '--calibration <file>'")
    if (flags.method === 'nearest' && flags.calibration !== undefined)
      command.error("error: '--method nearest' cannot be used with option '--calibration'")
    if (flags.calibration === '-' && flags.text === '-') command.error('error: stdin cannot be both texts')
    const { quantizeAction } = await import('./actions/quantize.ts')
    await quantizeAction(model, flags)
  })
}

function oneOf(...choices: readonly number[]) {
  return (text: string) => {
    const value = choices.find((choice) => String(choice) === text)
    if (value !== undefined) return value
    throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}.`)
  }
}

const examples = `
Examples:
  nextx quantize stories260K --bits 8 --out stories-8bit
  nextx quantize my-model --block 128 --calibration corpus.txt --text held-out.txt --out my-model-4bit
  nextx quantize my-model --keep embed_tokens lm_head --out my-model-4bit`
