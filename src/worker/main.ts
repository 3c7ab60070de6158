/**
 * The worker: a process that answers the editor's questions about models and vectors, forked by the extension host.
 * It talks over the channel of `fork` alone: native libraries may print what they like.
 */
import { serve } from './serve.ts';

if (process.send === undefined) {
  process.stderr.write('This is a part of the editor; the command line is cli.js.\n');
  process.exit(2);
}
// Nobody is left to answer.
process.once('disconnect', () => process.exit(0));
serve(process);
