"""Runs a streaming pipeline on this machine, in this process.

The runner is Beam's BundleBasedDirectRunner: its FnApiRunner has no streaming, and Prism is a program of its own that
would have to be fetched. What is added is a PeriodicImpulse that this runner can run: Beam's is a splittable DoFn whose
work has no end, which it waits for for ever.
"""

from __future__ import annotations

import time
from typing import Any

from apache_beam import PCollection, Windowing, pvalue
from apache_beam.pipeline import PTransformOverride
from apache_beam.runners.direct import direct_runner
from apache_beam.runners.direct.transform_evaluator import TransformEvaluatorRegistry, _TransformEvaluator
from apache_beam.runners.direct.util import TransformResult
from apache_beam.transforms import PTransform
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Timestamp

# How long the runner may sleep: it is what a window is published too late, and what an idle job costs.
_SHORTEST_NAP, _LONGEST_NAP = 0.02, 0.25


class LocalStreamingRunner(direct_runner.BundleBasedDirectRunner):
    """Runs one bundle after the other, in a thread; a bundle that fails four times fails the job."""

    @staticmethod
    def is_fnapi_compatible() -> bool:
        # Else the pipeline is translated and back, and no transform can be told from another after that.
        return True

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        TransformEvaluatorRegistry._test_evaluators_overrides[_Ticks] = _TicksEvaluator
        pipeline.replace_all([_TicksForPeriodicImpulse()])
        return super().run_pipeline(pipeline, options)


class _Ticks(PTransform[Any, Any]):
    """Gives the time, now and every `interval` seconds; its watermark is the time."""

    def __init__(self, interval: float) -> None:
        super().__init__()
        self.interval = interval
        self.due = 0.0

    def expand(self, root: Any) -> Any:
        return PCollection(root.pipeline, is_bounded=False)

    def get_windowing(self, inputs: Any) -> Windowing:
        return Windowing(GlobalWindows())


class _TicksForPeriodicImpulse(PTransformOverride):
    def matches(self, applied_ptransform: Any) -> bool:
        return isinstance(applied_ptransform.transform, PeriodicImpulse)

    def get_replacement_transform_for_applied_ptransform(self, applied_ptransform: Any) -> _Ticks:
        return _Ticks(applied_ptransform.transform.interval)


class _TicksEvaluator(_TransformEvaluator):
    """Is asked for more whenever there is nothing else to do."""

    def process_element(self, element: Any) -> None:
        """There is one element, which stands for the source."""

    def finish_bundle(self) -> TransformResult:
        ticks: Any = self._applied_ptransform.transform
        nap = min(max(ticks.interval / 10, _SHORTEST_NAP), _LONGEST_NAP)
        time.sleep(min(max(ticks.due - time.time(), 0), nap))
        now = time.time()
        time_now = Timestamp(now)
        bundles = []
        if now >= ticks.due:
            ticks.due = now + ticks.interval
            [output] = self._outputs
            bundle = self._evaluation_context.create_bundle(output)
            bundle.output(GlobalWindows.windowed_value(time_now, timestamp=time_now))
            bundles.append(bundle)
        rest = self._evaluation_context.create_bundle(pvalue.PBegin(ticks.pipeline))
        rest.add(GlobalWindows.windowed_value(b'', timestamp=time_now))
        return TransformResult(self, bundles, [rest], None, {None: time_now})
