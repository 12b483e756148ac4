import type { Command } from 'commander'
import { collectText } from './collect-text.ts'
import { addContext, type ContextFlags } from './context-flags.ts'
import { addSampling, type SamplingFlags } from './generate.ts'
import { threadCount, wholeNumber } from './numbers.ts'

/** The options of `nextx chat` as they were given. */
export interface ChatFlags extends SamplingFlags, ContextFlags {
  readonly systemPrompt?: string
  readonly template?: string
  readonly maxTokens?: number
  readonly stop?: readonly string[]
  readonly threads?: number
  readonly json?: boolean
  readonly stats?: boolean
}

export function registerChat(program: Command): void {
  const command = program
    .command('chat')
    .summary('talk with a model')
    .description('Talks with a chat model: every line of stdin is a message, every answer is printed as it comes.')
    .argument('<model>', 'a model folder with a chat template')
    .option('--system-prompt <text>', 'what the model is told before the first message')
    .option('--template <file>', "a chat template to use in place of the model's")
    .option('-n, --max-tokens <count>', 'most tokens of an answer (default: as many as the context holds)', wholeNumber(1))
  addSampling(command)
  addContext(command)
  command
    .option('--stop <text>', 'end an answer before this text; may be given several times', collectText)
    .option('--json', 'print every answer as a line of JSON')
    .option('--stats', 'print to stderr how many tokens of the conversation were reused, and the speed')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
    .addHelpText('after', examples)
    .action(async (model: string, flags: ChatFlags) => {
      const { chatAction } = await import('./actions/chat.ts')
      await chatAction(model, flags)
    })
}

const examples = `
A message of /new begins a new conversation. Ctrl-C ends an answer; pressed once more, or at a prompt, it ends the conversation, as does the end of the input (Ctrl-D).

Examples:
  nextx chat my-model --system-prompt "Answer in one sentence." --temperature 0.7
  printf 'Hello!\\nWhat is AI?\\n' | nextx chat my-model --temperature 0 --stats`
