import { afterAll, describe } from 'vitest';
import { type Dimension, GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { graphOperations } from '../../src/core/engine/graphOperations.ts';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { type Run, testOperations } from './operationsSuite.ts';

const releases: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(releases.map((release) => release())));

const run: Run = async (build, feeds, type) => {
  const graph = new GraphBuilder('operations');
  const rowsOf = (name: string): readonly Dimension[] => (name === 'indices' ? ['n'] : ['n', 'columns']);
  const inputs = ['a', 'b', 'indices'].map((name) =>
    graph.input(name, name === 'indices' ? 'int32' : 'float32', rowsOf(name)),
  ) as [Value, Value, Value];
  const result = build(graphOperations(graph), ...inputs);
  graph.output('result', result, type, []);
  const session = await createSession(graph.build(), { threads: 1 });
  releases.push(() => session.release());
  const { result: tensor } = await session.run(feeds);
  return { shape: [...(tensor as Tensor).shape], values: Array.from((tensor as Tensor).data, Number) };
};

describe('operations written into an ONNX graph', () => testOperations(run));
