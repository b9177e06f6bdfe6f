#include "core/engine.h"

#include <nanobind/stl/tuple.h>

#include "bindings/bindings.h"
#include "core/loop.h"

namespace intact {
namespace {

using WritableArray = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Placement = std::tuple<std::vector<std::int64_t>, Plan::Place, std::int64_t>;

std::shared_ptr<Plan> make_plan(const Network& network, const std::vector<Placement>& placements,
                                std::size_t arena_bytes, int threads) {
  std::vector<Plan::Location> locations;
  for (const auto& [shape, place, offset] : placements) {
    locations.push_back({Shape(std::span(shape)), place, offset});
  }
  return std::make_shared<Plan>(network, locations, arena_bytes, threads);
}

template <typename Array>
void check_sizes(const std::vector<Array>& arrays, const std::vector<std::size_t>& expected,
                 std::size_t parts) {
  if (arrays.size() != expected.size()) throw std::invalid_argument("too few or too many arrays");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (arrays[i].nbytes() != parts * expected[i]) {
      throw std::invalid_argument("array " + std::to_string(i) + " has " +
                                  std::to_string(arrays[i].nbytes()) + " bytes, expected " +
                                  std::to_string(parts * expected[i]));
    }
  }
}

std::vector<double> run(Engine& engine, Plan& plan, std::size_t parts,
                        const std::vector<AnyArray>& inputs,
                        const std::vector<WritableArray>& outputs, bool timed) {
  check_sizes(inputs, plan.input_bytes(), parts);
  check_sizes(outputs, plan.output_bytes(), parts);
  std::vector<const std::byte*> sources;
  std::vector<std::byte*> targets;
  for (const AnyArray& array : inputs) {
    sources.push_back(static_cast<const std::byte*>(array.data()));
  }
  for (const WritableArray& array : outputs) {
    targets.push_back(static_cast<std::byte*>(array.data()));
  }
  std::vector<double> seconds(timed ? engine.network().steps().size() : 0);
  {
    const nb::gil_scoped_release release;
    engine.run(plan, parts, sources, targets, seconds);
  }
  return seconds;
}

void bind_network(nb::module_& m) {
  nb::enum_<DType>(m, "DType")
      .value("bool", DType::kBool)
      .value("int8", DType::kInt8)
      .value("uint8", DType::kUint8)
      .value("int16", DType::kInt16)
      .value("uint16", DType::kUint16)
      .value("int32", DType::kInt32)
      .value("int64", DType::kInt64)
      .value("float32", DType::kFloat32);

  nb::class_<Op>(m, "Op")
      .def_prop_ro("kernel", &Op::kernel)
      .def_prop_ro("packed_bytes", &Op::packed_bytes);

  nb::class_<Network>(m, "Network")
      .def(nb::init<>())
      .def("add_value", &Network::add_value)
      .def("add_constant",
           [](Network& network, const AnyArray& array) {
             return network.add_constant(dtype_of(array.dtype()), shape_of(array), array.data(),
                                         array.nbytes());
           })
      .def("add_step",
           [](Network& network, std::string name, std::shared_ptr<const Op> op,
              std::vector<int> inputs, int output) {
             network.add_step({std::move(name), std::move(op), std::move(inputs), output});
           })
      .def_prop_ro("constant_bytes", &Network::constant_bytes)
      .def_prop_ro("packed_bytes", &Network::packed_bytes)
      .def("kernels", [](const Network& network) {
        std::vector<std::pair<std::string, std::string>> kernels;
        for (const Network::Step& step : network.steps()) {
          kernels.emplace_back(step.name, step.op->kernel());
        }
        return kernels;
      });
}

void bind_plan(nb::module_& m) {
  nb::enum_<Plan::Place>(m, "Place")
      .value("constant", Plan::Place::kConstant)
      .value("arena", Plan::Place::kArena)
      .value("alias", Plan::Place::kAlias)
      .value("input", Plan::Place::kInput)
      .value("output", Plan::Place::kOutput);

  nb::class_<Plan>(m, "Plan").def_prop_ro("arena_bytes", &Plan::arena_bytes);
  m.def("plan", &make_plan);
  m.def("loop", [](std::shared_ptr<Network> network, std::vector<std::vector<std::int64_t>> shapes,
                   std::vector<int> given, std::vector<int> after, int axis, int state,
                   bool reverse) -> std::shared_ptr<Op> {
    Loop::Body body{std::move(network), std::move(shapes), std::move(given), std::move(after)};
    return std::make_shared<Loop>(std::move(body), axis, state, reverse);
  });
}

}  // namespace

void bind_engine(nb::module_& m) {
  bind_network(m);
  bind_plan(m);
  nb::class_<Engine>(m, "Engine")
      .def(nb::new_([](std::shared_ptr<Network> network, int threads) {
        return std::make_shared<Engine>(std::move(network), threads);
      }))
      .def_prop_ro("threads", &Engine::threads)
      .def("run",
           [](Engine& engine, Plan& plan, std::size_t parts, const std::vector<AnyArray>& inputs,
              const std::vector<WritableArray>& outputs) {
             run(engine, plan, parts, inputs, outputs, false);
           })
      .def("profile",
           [](Engine& engine, Plan& plan, std::size_t parts, const std::vector<AnyArray>& inputs,
              const std::vector<WritableArray>& outputs) {
             return run(engine, plan, parts, inputs, outputs, true);
           })
      .def("close", &Engine::close, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace intact
