import type { Command } from 'commander'
import { addContext, type ContextFlags } from './context-flags.ts'
import { threadCount } from './numbers.ts'

export interface ScoreFlags extends ContextFlags {
  readonly json?: boolean
  readonly threads?: number
}

export function registerScore(program: Command): void {
  const command = program
    .command('score')
    .summary('say how likely a text is')
    .description('Says how likely a text is under a language model: nats and bits per token and per byte, perplexity.')
    .argument('<model>', 'a model folder, or the name of a model that ships with nextx: stories260K')
    .argument('<file>', 'a UTF-8 file of any length; - reads stdin')
  addContext(command)
  command
    .option('--json', 'print a JSON object')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
    .addHelpText('after', examples)
    .action(async (model: string, file: string, flags: ScoreFlags) => {
      const { scoreAction } = await import('./actions/score.ts')
      await scoreAction(model, file, flags)
    })
}

const examples = `
Examples:
  nextx score stories260K story.txt
  nextx generate stories260K --seed 1 < /dev/null | nextx score stories260K - --json`
