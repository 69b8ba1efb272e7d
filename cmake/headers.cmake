# Every public header, by hand, one line each, in the order of the folders; the test `house.header_list` compares
# this list with the tree, so a header that is not listed (or no longer exists) fails there.
set(HYDRALORA_HEADERS
    hydralora/version.hpp
    # core
    hydralora/core/check.hpp
    hydralora/core/config.hpp
    hydralora/core/params.hpp
    hydralora/core/precision.hpp
    hydralora/core/random.hpp
    hydralora/core/view.hpp
    # backend
    # eigen
    # weight
    # adapter
    # nn
    # model
    # optim
    # corpus
    # analysis
    # io
    # thrust
)
